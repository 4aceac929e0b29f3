//! Leads by what they are to a user: its own, those it works on.
//!
//! Owns what can be asked of them and the lists that answer it. Does not know how a question is
//! spelled, nor who may ask it.

use super::find::Question;
use super::tally::Owner;
use super::{
    BY_ASSIGNEE, BY_ASSIGNEE_CAMPAIGN, BY_ASSIGNEE_STATUS, BY_OWNER, BY_OWNER_CAMPAIGN,
    BY_OWNER_STATUS, Lead, PHONE_DIGITS, SEARCHED, Status, Text, pair, phone_digits,
};
use crate::domain::search::{Condition, Field, Match, contains};
use crate::domain::words::fold;

/// One searched text each, as conditions name them.
static FIRST_NAME: [Field; 1] = [SEARCHED[0].1];
static LAST_NAME: [Field; 1] = [SEARCHED[1].1];
static EMAIL: [Field; 1] = [SEARCHED[2].1];
static DIGITS: [Field; 1] = [PHONE_DIGITS];

/// What a lead must be to somebody; all that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// One of these has it.
    pub owners: Option<Vec<Owner>>,
    /// Who works on it.
    pub assignee: Option<u64>,
    /// How far it has come.
    pub status: Option<Status>,
    /// Its campaign, exactly.
    pub campaign: Option<String>,
    /// Contained in the first name, whatever the case.
    pub first_name: Option<String>,
    /// The same in the last name.
    pub last_name: Option<String>,
    /// The same in the e-mail address.
    pub email: Option<String>,
    /// Its digits are contained in those of the phone number; without a digit nothing is found.
    pub phone: Option<String>,
}

impl Wanted {
    /// A list for each user, and the narrower ones that say the same of status and campaign.
    fn standing(&self, users: &[u64], lists: [&'static str; 3]) -> Vec<Condition> {
        let [all, by_status, by_campaign] = lists;
        let of = |index, group: &dyn Fn(u64) -> String| {
            let members = users
                .iter()
                .map(|user| Condition::Member(index, group(*user)));
            Condition::Any(members.collect())
        };
        let mut conditions = Vec::new();
        if let Some(status) = self.status {
            conditions.push(of(by_status, &|user| pair(user, status.word())));
        }
        if let Some(campaign) = &self.campaign {
            conditions.push(of(by_campaign, &|user| pair(user, campaign)));
        }
        if conditions.is_empty() {
            conditions.push(of(all, &|user| user.to_string()));
        }
        conditions
    }

    fn texts(&self) -> [(Text, &'static [Field], Option<&String>); 3] {
        [
            (Text::FirstName, &FIRST_NAME, self.first_name.as_ref()),
            (Text::LastName, &LAST_NAME, self.last_name.as_ref()),
            (Text::Email, &EMAIL, self.email.as_ref()),
        ]
    }
}

impl Question for Wanted {
    fn condition(&self) -> Condition {
        let mut all = Vec::new();
        if let Some(owners) = &self.owners {
            let users: Vec<u64> = owners.iter().map(|owner| owner.number()).collect();
            let lists = [BY_OWNER, BY_OWNER_STATUS, BY_OWNER_CAMPAIGN];
            all.extend(self.standing(&users, lists));
        }
        if let Some(user) = self.assignee {
            let lists = [BY_ASSIGNEE, BY_ASSIGNEE_STATUS, BY_ASSIGNEE_CAMPAIGN];
            all.extend(self.standing(&[user], lists));
        }
        for (_, fields, needle) in self.texts() {
            let text = needle.filter(|needle| !needle.is_empty());
            all.extend(text.map(|text| Condition::Text(fields, Match::Contained, text.clone())));
        }
        if let Some(phone) = &self.phone {
            all.push(match phone_digits(phone) {
                digits if digits.is_empty() => Condition::Any(Vec::new()),
                digits => Condition::Text(&DIGITS, Match::Contained, digits),
            });
        }
        Condition::All(all)
    }

    fn meets(&self, lead: &Lead) -> bool {
        let owner = lead.owner_id.map_or(Owner::Nobody, Owner::User);
        let has_text = |(text, _, needle): (Text, _, Option<&String>)| {
            needle.is_none_or(|needle| contains(lead.text(text), &fold(needle)))
        };
        let has_digits = |phone: &String| {
            let digits = phone_digits(phone);
            !digits.is_empty() && phone_digits(lead.text(Text::Phone)).contains(&digits)
        };
        lead.is_live()
            && self.owners.as_ref().is_none_or(|of| of.contains(&owner))
            && (self.assignee.is_none() || lead.assignee_id == self.assignee)
            && self.status.is_none_or(|status| lead.status == status)
            && self
                .campaign
                .as_ref()
                .is_none_or(|of| lead.text(Text::SubId) == of)
            && self.texts().into_iter().all(has_text)
            && self.phone.as_ref().is_none_or(has_digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lead::tests::blank;

    /// A text that can be asked for.
    type Part = fn(&mut Wanted) -> &mut Option<String>;

    #[test]
    fn what_a_lead_must_be() {
        let mut lead = blank(1001);
        (lead.owner_id, lead.assignee_id) = (Some(1), Some(2));
        for (text, value) in [
            (Text::FirstName, "Jane"),
            (Text::LastName, "Smith"),
            (Text::Email, "Jane@Example.com"),
            (Text::Phone, "+1 (555) 123-4567"),
            (Text::SubId, "Spring"),
        ] {
            lead.set_text(text, value.to_owned());
        }
        let text = |text: &str| Some(text.to_owned());
        let asked = |change: &dyn Fn(&mut Wanted)| {
            let mut wanted = Wanted::default();
            change(&mut wanted);
            wanted.meets(&lead)
        };
        for (owners, expected) in [
            (vec![Owner::User(1)], true),
            (vec![Owner::User(2), Owner::Nobody], false),
            (vec![], false),
        ] {
            let found = asked(&|wanted| wanted.owners = Some(owners.clone()));
            assert_eq!(found, expected, "{owners:?}");
        }
        for (assignee, expected) in [(2, true), (1, false)] {
            assert_eq!(asked(&|wanted| wanted.assignee = Some(assignee)), expected);
        }
        for (status, expected) in [(Status::Prospect, true), (Status::Closed, false)] {
            assert_eq!(asked(&|wanted| wanted.status = Some(status)), expected);
        }
        let rows: [(Part, &str, bool); 9] = [
            (|wanted| &mut wanted.campaign, "Spring", true),
            (|wanted| &mut wanted.campaign, "spring", false),
            (|wanted| &mut wanted.first_name, "AN", true),
            (|wanted| &mut wanted.first_name, "smith", false),
            (|wanted| &mut wanted.last_name, "MITH", true),
            (|wanted| &mut wanted.email, "@example", true),
            (|wanted| &mut wanted.phone, "555-1234", true),
            (|wanted| &mut wanted.phone, "9", false),
            (|wanted| &mut wanted.phone, "x", false),
        ];
        for (part, value, expected) in rows {
            assert_eq!(
                asked(&|wanted| *part(wanted) = text(value)),
                expected,
                "{value}"
            );
        }
        assert!(asked(&|_| ()));
        lead.status = Status::Deleted;
        assert!(!Wanted::default().meets(&lead));
    }
}
