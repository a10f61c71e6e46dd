//! Bodies in Avro become JSON, by the schemas of a registry.

use std::sync::Arc;

use tiphys_clients::Clients;
use tiphys_clients::avro::{Registry, RegistryError, Schema, framed};
use tiphys_clients::kafka::{Error, Record};

/// A record that was read.
#[derive(Debug)]
pub(super) struct Arrived {
    /// The record; its body is JSON, if it was in Avro.
    pub(super) record: Record,
    /// Why its body could not be made into JSON: it is as it came.
    pub(super) fault: Option<String>,
}

/// Why nothing was read.
#[derive(Debug)]
pub(super) enum Missed {
    /// The brokers did not give it.
    Brokers(Error),
    /// The registry did not give a schema that it has.
    Registry(RegistryError),
}

/// Makes JSON of bodies.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) registry: Registry,
    pub(super) clients: Arc<Clients>,
}

impl Decoder {
    /// All of the records, in their order.
    ///
    /// # Errors
    /// If the registry cannot be asked for a schema: none of them is done, and they have to be read again.
    pub(super) async fn decode(&self, records: Vec<Record>) -> Result<Vec<Arrived>, RegistryError> {
        let mut arrived = Vec::with_capacity(records.len());
        // Neighbours are of one schema, most of the time.
        let mut last = None;
        for mut record in records {
            let fault = self.decode_one(&mut record, &mut last).await?;
            arrived.push(Arrived { record, fault });
        }
        Ok(arrived)
    }

    async fn decode_one(
        &self,
        record: &mut Record,
        last: &mut Option<(u32, Arc<Schema>)>,
    ) -> Result<Option<String>, RegistryError> {
        let Some(body) = &record.value else {
            return Ok(None);
        };
        let Some((id, value)) = framed(body) else {
            let why = "the message does not begin with a zero and the number of its schema";
            return Ok(Some(why.to_owned()));
        };
        let schema = match last {
            Some((known, schema)) if *known == id => Arc::clone(schema),
            _ => match self.registry.schema(&self.clients, id).await {
                Ok(schema) => schema,
                Err(error) if error.is_of_message => return Ok(Some(error.to_string())),
                Err(error) => return Err(error),
            },
        };
        let json = schema.read(value);
        *last = Some((id, schema));
        match json {
            Ok(json) => {
                record.value = Some(json.into());
                Ok(None)
            }
            Err(error) => Ok(Some(format!("read with schema {id}: {error}"))),
        }
    }
}

/// Records whose bodies are what they are.
pub(super) fn as_they_came(records: Vec<Record>) -> Vec<Arrived> {
    let arrived = |record| Arrived {
        record,
        fault: None,
    };
    records.into_iter().map(arrived).collect()
}
