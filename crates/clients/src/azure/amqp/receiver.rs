//! Receives messages.

use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{Body, Modified, Source};
use fe2o3_amqp::types::primitives::{Symbol, Value};
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;

use super::{Delivery, Error};

/// The name of the filter that says where in a partition to begin, and the number that stands for it.
const SELECTOR: &str = "apache.org:selector-filter:string";
const SELECTOR_CODE: u64 = 0x0000_468C_0000_0004;

/// Receives messages, as many as it was allowed to.
#[derive(Debug)]
pub struct Receiver(fe2o3_amqp::Receiver);

/// What comes after the event of this sequence number.
fn selector(after: i64) -> String {
    format!("amqp.annotation.x-opt-sequence-number > '{after}'")
}

impl Receiver {
    pub(super) async fn attach(
        session: &mut SessionHandle<()>,
        source: &str,
    ) -> Result<Self, Error> {
        Self::of(session, source, Source::builder().address(source).build()).await
    }

    pub(super) async fn attach_reader(
        session: &mut SessionHandle<()>,
        source: &str,
        after: i64,
    ) -> Result<Self, Error> {
        let selector = Described {
            descriptor: Descriptor::Code(SELECTOR_CODE),
            value: Value::String(selector(after)),
        };
        let from = Source::builder()
            .address(source)
            .add_to_filter(Symbol::from(SELECTOR), selector)
            .build();
        Self::of(session, source, from).await
    }

    async fn of(
        session: &mut SessionHandle<()>,
        name: &str,
        source: Source,
    ) -> Result<Self, Error> {
        let receiver = fe2o3_amqp::Receiver::builder()
            .name(format!("{name}-{:016x}", fastrand::u64(..)))
            .source(source)
            .sender_settle_mode(SenderSettleMode::Unsettled)
            .receiver_settle_mode(ReceiverSettleMode::First)
            .credit_mode(CreditMode::Manual)
            .attach(session)
            .await?;
        Ok(Self(receiver))
    }

    /// Allows so many more messages, counted from those that [`Self::next`] has given.
    ///
    /// # Errors
    /// If the link has ended.
    pub async fn allow(&mut self, messages: u32) -> Result<(), Error> {
        Ok(self.0.set_credit(messages).await?)
    }

    /// The next message.
    ///
    /// # Errors
    /// If the link has ended.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Delivery, Error> {
        let (info, message) = self.0.recv::<Body<Value>>().await?.into_parts();
        Ok(Delivery::of(info, message))
    }

    /// Says that messages are done with: they are gone then.
    ///
    /// # Errors
    /// If the link has ended.
    pub async fn accept<'a>(
        &self,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
    ) -> Result<(), Error> {
        let deliveries = deliveries.into_iter().map(|delivery| delivery.info.clone());
        Ok(self.0.accept_all(deliveries).await?)
    }

    /// Gives a message back, for whoever receives it next.
    ///
    /// # Errors
    /// If the link has ended.
    pub async fn abandon(&self, delivery: &Delivery) -> Result<(), Error> {
        let modified = Modified {
            delivery_failed: None,
            undeliverable_here: None,
            message_annotations: None,
        };
        Ok(self.0.modify(delivery.info.clone(), modified).await?)
    }
}
