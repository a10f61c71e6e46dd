//! Reads how to reach a bus on NATS servers.

use tiphys_api::{TlsConfig, TlsMode};

use super::{Auth, Config, Identity, Tls};
use crate::{BoxError, Error, Secrets};

/// Reads the configuration of a bus, if it is one of JetStream, with the settings of its stream.
pub(crate) fn read(
    config: &tiphys_api::BusConfig,
    secrets: &mut dyn Secrets,
    client: &str,
) -> Result<Option<(Config, Option<String>)>, BoxError> {
    let Some(config) = &config.jet_stream else {
        return Ok(None);
    };
    let auth = match &config.access_secret {
        Some(selector) => {
            let auth = Auth::from_access_secret(&secrets.access(selector)?);
            auth.map_err(|source| invalid("accessSecret of the EventBus", source))?
        }
        None => Auth::None,
    };
    let tls = config.tls.as_ref().map(|config| tls(config, secrets));
    let stream = Some(config.stream_config.as_str()).filter(|text| !text.is_empty());
    let server = Config {
        url: config.url.to_string(),
        auth,
        tls: tls.transpose()?,
        name: client.to_owned(),
    };
    Ok(Some((server, stream.map(str::to_owned))))
}

/// The servers as they may be shown: without passwords.
pub(crate) fn shown(config: &Config) -> String {
    config.shown_url()
}

fn tls(config: &TlsConfig, secrets: &mut dyn Secrets) -> Result<Tls, BoxError> {
    let mode = config.mode();
    let mode = mode.map_err(|source| invalid("tls of the EventBus", source))?;
    Ok(match mode {
        TlsMode::SkipVerify => Tls {
            insecure_skip_verify: true,
            ..Tls::default()
        },
        TlsMode::Verify { ca, client } => Tls {
            authorities: ca.map(|ca| secrets.secret(ca)).transpose()?,
            identity: match client {
                Some((certificate, key)) => Some(Identity {
                    certificates: secrets.secret(certificate)?,
                    private_key: secrets.secret(key)?,
                }),
                None => None,
            },
            insecure_skip_verify: false,
            server_name: None,
        },
    })
}

fn invalid(setting: &str, source: impl Into<BoxError>) -> Error {
    Error::Configuration {
        message: setting.to_owned(),
        source: Some(source.into()),
    }
}
