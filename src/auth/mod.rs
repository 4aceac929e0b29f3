//! Who is calling, and who is answering: credentials, proofs and sealed secrets.

pub mod caller;
pub mod credentials;
pub mod passwords;
pub mod person_token;
pub mod proof;
pub mod seal;
pub mod sitecom_token;
pub mod user_token;
pub mod vault;
