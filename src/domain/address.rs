//! Postal addresses (`protocols/domain.md` 2.2, ADDRESS of `protocols/notifications.md` section 3).
//!
//! Owns the members and how JSON is read into them. Does not know whose address it is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::words;

/// Characters of a member.
const MAX_TEXT: usize = 255;

/// Why a JSON value is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not an object of texts.
    Invalid,
    /// A member has more than 255 characters.
    TooLong,
}

/// An address; what is not known is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Address {
    pub first_name: String,
    pub last_name: String,
    pub company: String,
    pub address_line_1: String,
    pub address_line_2: String,
    pub city: String,
    pub region: String,
    pub country: String,
    pub postal_code: String,
    pub email: String,
    pub phone: String,
}

impl Address {
    /// The address in a JSON object. Unknown members are dropped, numbers and truth values become
    /// their text.
    pub fn from_json(value: &Value) -> Result<Self, Fault> {
        let Value::Object(members) = value else {
            return Err(Fault::Invalid);
        };
        let mut address = Self::default();
        for (name, value) in members {
            if let Some(field) = address.field(name) {
                *field = text(value)?;
            }
        }
        Ok(address)
    }

    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "first_name" => &mut self.first_name,
            "last_name" => &mut self.last_name,
            "company" => &mut self.company,
            "address_line_1" => &mut self.address_line_1,
            "address_line_2" => &mut self.address_line_2,
            "city" => &mut self.city,
            "region" => &mut self.region,
            "country" => &mut self.country,
            "postal_code" => &mut self.postal_code,
            "email" => &mut self.email,
            "phone" => &mut self.phone,
            _ => return None,
        })
    }
}

fn text(value: &Value) -> Result<String, Fault> {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => words::single_line(text).ok_or(Fault::Invalid)?,
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Array(_) | Value::Object(_) => return Err(Fault::Invalid),
    };
    if text.chars().count() > MAX_TEXT {
        return Err(Fault::TooLong);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_texts_and_unknown_ones_are_dropped() {
        let value = json!({"city": " Spring\tfield ", "postal_code": 97477, "phone": null,
            "region": true, "x": [1]});
        let address = Address::from_json(&value).unwrap();
        assert_eq!(address.city, "Spring field");
        assert_eq!(address.postal_code, "97477");
        assert_eq!(
            (address.phone.as_str(), address.region.as_str()),
            ("", "true")
        );
    }

    #[test]
    fn every_member_of_its_own_json_is_read_back() {
        let mut address = Address::default();
        let Value::Object(empty) = serde_json::to_value(&address).unwrap() else {
            panic!("an address is an object");
        };
        assert_eq!(empty.len(), 11);
        for name in empty.keys() {
            address.field(name).unwrap().clone_from(name);
        }
        let value = serde_json::to_value(&address).unwrap();
        assert_eq!(Address::from_json(&value), Ok(address));
    }

    #[test]
    fn what_is_no_address() {
        for (value, fault) in [
            (json!([]), Fault::Invalid),
            (json!("x"), Fault::Invalid),
            (json!({"city": {}}), Fault::Invalid),
            (json!({"city": ["x"]}), Fault::Invalid),
            (json!({"city": "a\0"}), Fault::Invalid),
            (json!({"city": "x".repeat(256)}), Fault::TooLong),
        ] {
            assert_eq!(Address::from_json(&value), Err(fault), "{value}");
        }
        assert!(Address::from_json(&json!({"city": "ä".repeat(255)})).is_ok());
    }
}
