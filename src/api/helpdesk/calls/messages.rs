//! Calls 9 to 11: messages of a conversation, and conversations that begin with one.

use std::collections::BTreeMap;

use super::conversations::{department, of_path};
use super::people::{Somebody, parted, somebody};
use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::faults;
use crate::api::helpdesk::form::Form;
use crate::api::helpdesk::value::Value;
use crate::domain::contact::{self, Contact, CustomField, Person};
use crate::domain::conversation::message::{
    Author, ConversationMessage, Direction, Kind, of_conversation,
};
use crate::domain::conversation::{
    Channel, Conversation, NewConversation, NewMessage, Notice, Place, Status, post,
};
use crate::domain::user;
use crate::error::{Error, Result};
use crate::store::Tx;

/// Characters of a message, and of a text message.
pub const MAX_MESSAGE: usize = 100_000;
const MAX_SMS: usize = 1600;
/// Characters of a short text.
const MAX_TEXT: usize = 255;
/// Characters of a full name.
const MAX_NAME: usize = 2 * MAX_TEXT + 1;
/// Messages that are read at once.
const PAGE: usize = 500;
/// Who is shown where nobody in person has written.
const SYSTEM: &str = "system";
/// What says of itself that it is text, in a custom channel.
const TEXT: &str = "text";

/// `GET conversations/[conversationid]/messages`.
pub async fn list(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    let from = form.time("datefrom");
    let until = form.time_upper("dateto");
    form.finish()?;
    let tx = &call.view();
    let it = of_path(tx, call).await?;
    let mut groups: Vec<Group> = Vec::new();
    let mut read = 0;
    loop {
        let some = of_conversation(tx, call.account.id, it.id, read, PAGE).await?;
        read += some.len();
        let is_last = some.len() < PAGE;
        for message in some {
            gather(&mut groups, message);
        }
        if is_last {
            break;
        }
    }
    let mut authors = Authors::default();
    let mut rows = Vec::new();
    for group in groups {
        let is_shown = |message: &&ConversationMessage| {
            from.is_none_or(|from| message.created_at >= from)
                && until.is_none_or(|until| message.created_at <= until)
        };
        let shown: Vec<_> = group.messages.iter().filter(is_shown).collect();
        let userid = authors.shown(tx, call, group.author).await?;
        rows.extend(group.row(call, &it, &userid, &shown));
    }
    call.reply(&Value::list("groups", "group", rows))
}

/// Messages in a row with one author and one rtype.
struct Group {
    author: Author,
    rtype: char,
    messages: Vec<ConversationMessage>,
}

fn gather(groups: &mut Vec<Group>, message: ConversationMessage) {
    let (author, (rtype, _)) = (message.author, letters(&message));
    match groups.last_mut() {
        Some(last) if last.author == author && last.rtype == rtype => last.messages.push(message),
        _ => groups.push(Group {
            author,
            rtype,
            messages: vec![message],
        }),
    }
}

impl Group {
    /// GROUP; none without messages.
    fn row(
        &self,
        call: &HelpdeskCall,
        it: &Conversation,
        userid: &str,
        shown: &[&ConversationMessage],
    ) -> Option<Value> {
        let (first, last) = (shown.first()?, shown.last()?);
        let messages = shown.iter().map(|message| {
            Value::members([
                ("messageid", message.reference.to_string().into()),
                ("userid", userid.into()),
                ("rtype", letters(message).1.to_string().into()),
                ("datecreated", call.local(message.created_at)),
                ("message", message.body.as_str().into()),
            ])
        });
        let rstatus = if it.status == Status::Deleted {
            "D"
        } else {
            "V"
        };
        Some(Value::members([
            ("messagegroupid", first.reference.to_string().into()),
            ("userid", userid.into()),
            ("rtype", self.rtype.to_string().into()),
            ("rstatus", rstatus.into()),
            ("datecreated", call.local(first.created_at)),
            ("datefinished", call.local(last.created_at)),
            ("messages", Value::Rows("message", messages.collect())),
        ]))
    }
}

/// rtype of the group and of the message (`protocols/domain.md` 6.3).
fn letters(message: &ConversationMessage) -> (char, char) {
    match message.kind {
        Kind::Mail | Kind::Sms => ('M', 'M'),
        Kind::Chat | Kind::Custom => ('C', 'M'),
        Kind::Note => ('I', 'N'),
        Kind::Call if message.direction == Direction::In => ('P', 'D'),
        Kind::Call => ('V', 'D'),
        Kind::Reaction => ('C', reaction(&message.body)),
        Kind::Status if message.state.status == Status::Resolved => ('R', 'S'),
        Kind::Status => ('I', 'S'),
        Kind::Transfer => ('T', 'R'),
        Kind::Tag => ('G', 'G'),
        Kind::Delete => ('X', 'S'),
    }
}

/// What a reaction says: praise, blame, or neither.
fn reaction(emoji: &str) -> char {
    match emoji.trim() {
        "👍" | "❤" | "❤️" | "😀" | "😍" | "👏" | "🎉" => 'W',
        "👎" | "😡" | "😞" => 'P',
        _ => 'C',
    }
}

/// userids of authors.
#[derive(Default)]
struct Authors(BTreeMap<u64, String>, BTreeMap<u64, String>);

impl Authors {
    async fn shown(&mut self, tx: &Tx, call: &HelpdeskCall, author: Author) -> Result<String> {
        let account = call.account.id;
        let known = match author {
            Author::System => return Ok(SYSTEM.to_owned()),
            Author::User(id) => self.0.get(&id),
            Author::Contact(id) => self.1.get(&id),
        };
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let user = match author {
            Author::User(id) => user::by_id(tx, account, id).await?,
            Author::Contact(id) => user::of_contact(tx, account, id).await?,
            Author::System => None,
        };
        let found = match (author, user) {
            (_, Some(user)) => Some(user.reference),
            (Author::Contact(id), None) => {
                let found = contact::by_id(tx, account, id).await?;
                found.map(|contact| contact.reference)
            }
            _ => None,
        };
        let shown = found.map_or_else(|| SYSTEM.to_owned(), |found| found.to_string());
        match author {
            Author::User(id) => self.0.insert(id, shown.clone()),
            Author::Contact(id) => self.1.insert(id, shown.clone()),
            Author::System => None,
        };
        Ok(shown)
    }
}

/// What calls 10 and 11 have in common.
struct Written {
    text: String,
    by: Option<String>,
    mail_message_id: Option<String>,
    do_not_send_mail: bool,
    is_html: bool,
}

impl Written {
    fn read(form: &mut Form<'_>) -> Self {
        Self {
            text: form.lines("message", MAX_MESSAGE).unwrap_or_default(),
            by: form.named("useridentifier"),
            mail_message_id: None,
            do_not_send_mail: false,
            is_html: false,
        }
    }

    fn read_mail(&mut self, form: &mut Form<'_>) {
        let name = form.either(&["mail_messsage_id", "mail_message_id"]);
        self.mail_message_id = form.text(name, MAX_TEXT);
        self.do_not_send_mail = form.yes("do_not_send_mail", false);
        self.is_html = form.yes("is_html_message", false);
    }

    /// `conversation_message` to these addresses.
    fn notice(&self, to: Vec<String>, cc: Vec<String>) -> Notice {
        Notice::Message {
            to,
            cc,
            mail_message_id: self.mail_message_id.clone(),
            do_not_send_mail: self.do_not_send_mail,
        }
    }

    fn message(
        &self,
        kind: Kind,
        direction: Direction,
        author: Author,
        notice: Notice,
    ) -> NewMessage {
        NewMessage {
            kind,
            direction,
            author,
            body: self.text.clone(),
            is_html: self.is_html,
            notice,
        }
    }
}

fn direction(somebody: &Somebody) -> Direction {
    match somebody {
        Somebody::Agent(_) => Direction::Out,
        Somebody::Customer(_) => Direction::In,
    }
}

/// `POST conversations/[conversationid]/messages`.
pub async fn add(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["message"]);
    let mut written = Written::read(&mut form);
    let is_note = form.letter("type", "MN") == Some('N');
    written.read_mail(&mut form);
    form.finish()?;
    let (written, cost) = (&written, call.core().settings.credit_cost);
    call.commit(|tx| async move {
        let it = of_path(&tx, call).await?;
        let by = match &written.by {
            Some(named) => Some(somebody(&tx, call.account.id, named).await?),
            None => None,
        };
        let owner = contact::by_id(&tx, call.account.id, it.contact_id).await?;
        let owner = owner.ok_or_else(Error::internal)?;
        if it.status == Status::Deleted {
            return Err(Error::conflict("conversation is deleted"));
        }
        let message = match by {
            Some(by) if !is_note => said(written, &it, &owner, &by)?,
            by => {
                let author = by.as_ref().map_or(Author::System, Somebody::author);
                let notice = written.notice(Vec::new(), Vec::new());
                written.message(Kind::Note, Direction::Internal, author, notice)
            }
        };
        let place = Place::Known(Box::new(it));
        post(&tx, &call.account, &owner, place, &message, cost).await?;
        Ok(Value::ok())
    })
    .await
}

/// The message of somebody in a known conversation, by its channel.
fn said(
    written: &Written,
    it: &Conversation,
    owner: &Contact,
    by: &Somebody,
) -> Result<NewMessage> {
    let direction = direction(by);
    let is_out = direction == Direction::Out;
    let unreachable = || Error::conflict("customer is not reachable");
    let plain = || written.notice(Vec::new(), Vec::new());
    let (kind, notice) = match &it.channel {
        Channel::Email if is_out => {
            let to = owner.email.iter().cloned().collect();
            (Kind::Mail, written.notice(to, Vec::new()))
        }
        Channel::Email => (Kind::Mail, plain()),
        Channel::Chat => (Kind::Chat, plain()),
        Channel::Call => (Kind::Call, plain()),
        Channel::Sms => {
            if written.text.chars().count() > MAX_SMS {
                return Err(faults::too_long("message"));
            }
            let notice = match &owner.phone {
                _ if !is_out => plain(),
                Some(phone) => Notice::Number(phone.clone()),
                None => return Err(unreachable()),
            };
            (Kind::Sms, notice)
        }
        Channel::Custom(name) => {
            let notice = match owner.name_in(name) {
                _ if !is_out => plain(),
                Some(known) => Notice::Outgoing {
                    external_contact_id: known.to_owned(),
                    message_type: TEXT.to_owned(),
                    campaign_id: None,
                },
                None => return Err(unreachable()),
            };
            (Kind::Custom, notice)
        }
    };
    Ok(written.message(kind, direction, by.author(), notice))
}

/// What call 11 asks for beside its message.
struct Begun {
    department: String,
    subject: String,
    recipient: String,
    names: (String, String),
    cc: Vec<String>,
    status: Status,
    custom_fields: Vec<CustomField>,
}

/// `POST conversations`.
pub async fn begin(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["message"]);
    form.need(&["useridentifier"]);
    form.need(&["department"]);
    form.need(&["subject"]);
    form.need(&["recipient"]);
    let mut written = Written::read(&mut form);
    let mut begun = Begun::read(&mut form);
    written.read_mail(&mut form);
    begun.custom_fields = form.fields("customfields").unwrap_or_default();
    form.finish()?;
    let (written, begun) = (&written, &begun);
    call.commit(|tx| async move { begun.store(&tx, call, written).await })
        .await
}

impl Begun {
    fn read(form: &mut Form<'_>) -> Self {
        let email = |text: &str| crate::domain::words::is_email(text).then(|| text.to_owned());
        let department = form.named("department").unwrap_or_default();
        let subject = form.text("subject", MAX_TEXT).unwrap_or_default();
        let recipient = form.email("recipient").unwrap_or_default();
        let name = form.text("recipient_name", MAX_NAME);
        let names = name.as_deref().map(parted).unwrap_or_default();
        if [&names.0, &names.1]
            .iter()
            .any(|part| part.chars().count() > MAX_TEXT)
        {
            form.wrong("recipient_name");
        }
        Self {
            department,
            subject,
            recipient,
            names,
            cc: form.csv("cc", email).unwrap_or_default(),
            status: form
                .typed("status", Status::of_letter)
                .unwrap_or(Status::New),
            custom_fields: Vec::new(),
        }
    }

    async fn store(&self, tx: &Tx, call: &HelpdeskCall, written: &Written) -> Result<Value> {
        let named = written.by.as_deref().unwrap_or_default();
        let by = somebody(tx, call.account.id, named).await?;
        let found = department(tx, call, &self.department).await?;
        let found = found.filter(|found| !found.deleted);
        let department = found.ok_or_else(|| faults::unable("department"))?;
        let owner = match &by {
            Somebody::Customer(contact) => contact.as_ref().clone(),
            Somebody::Agent(_) => self.recipient(tx, call).await?,
        };
        let (channel, kind) = match self.status {
            Status::Chatting => (Channel::Chat, Kind::Chat),
            Status::Calling => (Channel::Call, Kind::Call),
            _ => (Channel::Email, Kind::Mail),
        };
        let notice = written.notice(vec![self.recipient.clone()], self.cc.clone());
        let message = written.message(kind, direction(&by), by.author(), notice);
        let place = Place::Fresh(NewConversation {
            channel,
            status: self.status,
            subject: self.subject.clone(),
            department_id: department.id,
            assigned: None,
            custom_fields: self.custom_fields.clone(),
        });
        let posted = post(tx, &call.account, &owner, place, &message, 0).await?;
        let it = posted.conversation;
        Ok(Value::ok_with([
            ("conversationid", it.reference.to_string().into()),
            ("code", it.code.into()),
            ("publicurlcode", it.public_code.into()),
        ]))
    }

    /// The contact whom an agent writes to.
    async fn recipient(&self, tx: &Tx, call: &HelpdeskCall) -> Result<Contact> {
        let person = Person {
            email: Some(&self.recipient),
            first_name: &self.names.0,
            last_name: &self.names.1,
            ..Person::default()
        };
        let found = contact::link(tx, &call.account, &person).await?;
        found.ok_or_else(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reactions_are_praise_blame_or_neither() {
        for (emoji, expected) in [
            ("👍", 'W'),
            ("❤", 'W'),
            ("❤️", 'W'),
            ("🎉", 'W'),
            ("👎", 'P'),
            ("😞", 'P'),
            ("🤔", 'C'),
        ] {
            assert_eq!(reaction(emoji), expected, "{emoji}");
        }
    }
}
