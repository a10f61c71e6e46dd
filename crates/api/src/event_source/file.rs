//! Files as a source: in the pod, on an SFTP server, in HDFS.

use std::collections::BTreeMap;

use crate::event_source::common::EventSourceFilter;
use crate::given::{Given, object};
use crate::secret::{ConfigMapKeySelector, SecretKeySelector};

object! {
    /// Which files are watched: one of `path` and `pathRegexp` is needed.
    pub struct WatchPathConfig {
        /// Absolute path of the directory.
        directory: Given<String>,
        /// Path of the file in the directory.
        path: Given<String>,
        /// Regular expression of the file's path in the directory.
        path_regexp: Given<String>,
    }
}

object! {
    /// Watches files in the pod.
    pub struct FileEventSource {
        /// `CREATE`, `WRITE`, `REMOVE`, `RENAME` or `CHMOD`; an extension of tiphys: several, with `|` between them.
        event_type: Given<String>,
        /// Which files are watched.
        watch_path_config: Option<WatchPathConfig>,
        /// Files are looked at in intervals instead of waiting for the kernel's messages. Default: false.
        polling: Given<bool>,
        /// Tell what happened while no pod was watching. Default: false. An extension of tiphys.
        catchup: Given<bool>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// Watches files on an SFTP server.
    pub struct SftpEventSource {
        /// `CREATE` (a file is new, or has changed) or `REMOVE`; an extension of tiphys: `WRITE` (it has changed), `CHMOD`
        /// (it has other rights), and several, with `|` between them.
        event_type: Given<String>,
        /// Which files are watched.
        watch_path_config: Option<WatchPathConfig>,
        /// Secret with the user name.
        username: Option<SecretKeySelector>,
        /// Secret with the password.
        password: Option<SecretKeySelector>,
        /// Secret with an SSH private key, and the public keys of the server, a line each, if it has any. Goes before
        /// `password`.
        ssh_key_secret: Option<SecretKeySelector>,
        /// Secret with the public keys of servers, as in `~/.ssh/known_hosts`. Default: those in `sshKeySecret`, or the key
        /// that the server shows first. An extension of tiphys.
        known_hosts: Option<SecretKeySelector>,
        /// Secret with the address (host and port) of the server.
        address: Option<SecretKeySelector>,
        /// Time between two looks, for example `10s` (the default).
        poll_interval_duration: Given<String>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}

object! {
    /// Watches files in HDFS.
    pub struct HdfsEventSource {
        /// Absolute path of the directory.
        directory: Given<String>,
        /// Path of the file in the directory.
        path: Given<String>,
        /// Regular expression of the file's path in the directory.
        path_regexp: Given<String>,
        /// `CREATE`, `WRITE`, `REMOVE` or `CHMOD`; an extension of tiphys: several, with `|` between them.
        r#type: Given<String>,
        /// Time between two looks, for example `1m` (the default).
        check_interval: Given<String>,
        /// Addresses of the name nodes.
        addresses: Given<Vec<String>>,
        /// User name, unless Kerberos is used.
        hdfs_user: Given<String>,
        /// Secret with a Kerberos ticket cache.
        #[serde(rename = "krbCCacheSecret")]
        krb_ccache_secret: Option<SecretKeySelector>,
        /// Secret with a Kerberos keytab.
        krb_keytab_secret: Option<SecretKeySelector>,
        /// Kerberos principal of the keytab.
        krb_username: Given<String>,
        /// Kerberos realm of the keytab.
        krb_realm: Given<String>,
        /// ConfigMap with `krb5.conf`.
        krb_config_config_map: Option<ConfigMapKeySelector>,
        /// Kerberos principal of the name node.
        krb_service_principal_name: Given<String>,
        /// Entries copied into each event.
        metadata: Given<BTreeMap<String, String>>,
        /// Which events are published. Default: all.
        filter: Option<EventSourceFilter>,
    }
}
