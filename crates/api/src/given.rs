//! Fields that may be left out, as Go's zero values treat them.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A field that reads as its type's default when it is left out, and is written only if given.
///
/// Argo Events does not distinguish a missing text, flag, number, list or map from an empty one. This type
/// reads the same way, yet an object that is decoded and encoded keeps what its author wrote:
/// `group: ""` stays and a missing `host` is not invented. `null` counts as left out.
#[derive(Clone, Debug, Default)]
pub struct Given<T> {
    value: T,
    given: bool,
}

impl<T> Given<T> {
    /// True if the field stands in the object, be it with an empty value.
    pub fn is_given(&self) -> bool {
        self.given
    }

    /// The value, by itself.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> From<T> for Given<T> {
    fn from(value: T) -> Self {
        Self { value, given: true }
    }
}

impl From<&str> for Given<String> {
    fn from(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            given: true,
        }
    }
}

impl<T> Deref for Given<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Given<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.given = true;
        &mut self.value
    }
}

/// Left out and empty mean the same, so they are equal.
impl<T: PartialEq> PartialEq for Given<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialEq<str> for Given<String> {
    fn eq(&self, other: &str) -> bool {
        self.value == other
    }
}

impl PartialEq<&str> for Given<String> {
    fn eq(&self, other: &&str) -> bool {
        self.value == *other
    }
}

impl<T: Serialize> Serialize for Given<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or_else(Self::default, Self::from))
    }
}

impl<T: JsonSchema> JsonSchema for Given<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// Whether a field is left out when its object is written.
pub(crate) trait Absent {
    /// True if the field is not to be written.
    fn is_absent(&self) -> bool;
}

impl<T> Absent for Given<T> {
    fn is_absent(&self) -> bool {
        !self.given
    }
}

impl<T> Absent for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// Declares an object of the API: public fields in camelCase, each of which may be left out.
///
/// Every field is a [`Given`] or an `Option`, and is written only if it was read. What a line of
/// documentation says becomes the field's description in the CRD.
macro_rules! object {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        crate::given::fields! {
            $(#[$meta])* pub struct $name { $($(#[$field_meta])* $field: $type,)* }
        }

        impl crate::secret::KeyRefs for $name {
            fn visit_key_refs<'a>(
                &'a self,
                visit: &mut dyn FnMut(crate::secret::KeyRef<'a>),
            ) {
                $(crate::secret::KeyRefs::visit_key_refs(&self.$field, visit);)*
            }
        }
    };
}

/// The struct of [`object!`], without the search for references to Secrets and ConfigMaps.
macro_rules! fields {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    }) => {
        #[derive(
            Clone, Debug, Default, PartialEq,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[serde(default, rename_all = "camelCase")]
        $(#[$meta])*
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "crate::given::Absent::is_absent")]
                pub $field: $type,
            )*
        }
    };
}
pub(crate) use {fields, object};
