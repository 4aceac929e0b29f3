//! `department …`, `agent …`, `category …`, `article …`: what a helpdesk needs and no call creates.
//!
//! Owns their grammar and help. Does not know what they ask of the daemon.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use clap::{Args, Subcommand};

use super::account::OfAccount;

/// `department …`
#[derive(Debug, Subcommand)]
pub enum DepartmentCommand {
    /// Add a department
    #[command(after_help = "\
Example:
  hookrelay department add Sales --account shop --description 'Before the sale' --agent alice")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its name
        name: String,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// Agent who works in it, by id or username (repeatable)
        #[arg(long = "agent", value_name = "AGENT")]
        agents: Option<Vec<String>>,
    },
    /// List an account's departments, removed ones too
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
    },
    /// Change a department; what is not named stays
    #[command(after_help = "\
Examples:
  hookrelay department set Sales --account shop --agent alice --agent bob
  hookrelay department set Sales --account shop --agent ''

--agent replaces all agents; '' leaves none.")]
    Set {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its reference or name
        department: String,
        /// What changes
        #[command(flatten)]
        changes: DepartmentChanges,
    },
    /// Remove a department; its conversations stay and show it
    Remove {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its reference or name
        department: String,
    },
}

/// New values of a department.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct DepartmentChanges {
    /// Another name
    #[arg(long)]
    pub name: Option<String>,
    /// What it is for
    #[arg(long)]
    pub description: Option<String>,
    /// Agent who works in it, by id or username (repeatable)
    #[arg(long = "agent", value_name = "AGENT")]
    pub agents: Option<Vec<String>>,
}

/// `agent …`
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Add an agent; consumers are told by new_user
    #[command(after_help = "\
Example:
  hookrelay agent add alice --account shop --email alice@shop.example --first-name Alice --last-name Stone --online TM

Letters of --online: T chat, P phone, M mail; F is offline.
A secret given on the command line can be seen by other users of this machine while it runs.")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its name: letters, digits and hyphens, or an e-mail address
        username: String,
        /// Its e-mail address
        #[arg(long)]
        email: String,
        /// Its first name
        #[arg(long, value_name = "NAME")]
        first_name: String,
        /// Its last name
        #[arg(long, value_name = "NAME")]
        last_name: String,
        /// Owner, Administrator, or any other word but Customer
        #[arg(long = "type", value_name = "TYPE", default_value = "Agent")]
        account_type: String,
        /// M or F
        #[arg(long)]
        gender: Option<String>,
        /// What it is online for
        #[arg(long, value_name = "LETTERS")]
        online: Option<String>,
        /// Its password; without one it cannot log in
        #[arg(long)]
        password: Option<String>,
    },
    /// List an account's active agents, and what they are online for
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
    },
    /// Change an agent; what is not named stays. Consumers are told by update_user
    #[command(after_help = "\
Examples:
  hookrelay agent set alice --account shop --online TM
  hookrelay agent set alice --account shop --online F")]
    Set {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its id or username
        agent: String,
        /// What changes
        #[command(flatten)]
        changes: AgentChanges,
    },
    /// Take an agent out of service: offline, and no log-in any more
    Remove {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its id or username
        agent: String,
    },
}

/// New values of an agent.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct AgentChanges {
    /// What it is online for: letters of T (chat), P (phone), M (mail), or F for offline
    #[arg(long, value_name = "LETTERS")]
    pub online: Option<String>,
    /// Another type
    #[arg(long = "type", value_name = "TYPE")]
    pub account_type: Option<String>,
    /// M or F
    #[arg(long)]
    pub gender: Option<String>,
    /// Whether it is in service
    #[arg(long, value_name = "BOOL")]
    pub active: Option<bool>,
}

/// `category …`
#[derive(Debug, Subcommand)]
pub enum CategoryCommand {
    /// Add a category of the knowledge base and of suggestions
    #[command(after_help = "Example:\n  hookrelay category add Help --account shop")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its title
        title: String,
        /// The category that it stands in, by reference or title
        #[arg(long, value_name = "CATEGORY")]
        category: Option<String>,
    },
    /// List an account's categories
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
    },
    /// Change a category; what is not named stays
    Set {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its reference or title
        entry: String,
        /// What changes
        #[command(flatten)]
        changes: CategoryChanges,
    },
    /// Remove a category; what stands in it stays
    Remove {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its reference or title
        entry: String,
    },
}

/// New values of a category.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct CategoryChanges {
    /// Another title
    #[arg(long)]
    pub title: Option<String>,
    /// Another category that it stands in
    #[arg(long, value_name = "CATEGORY")]
    pub category: Option<String>,
}

/// `article …`
#[derive(Debug, Subcommand)]
pub enum ArticleCommand {
    /// Add an article to the knowledge base
    #[command(after_help = "\
Example:
  hookrelay article add 'Opening hours' --account shop --category Help --content '9-17'")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its title
        title: String,
        /// What it says
        #[command(flatten)]
        texts: ArticleTexts,
    },
    /// List an account's articles and suggestions, removed ones too: 1000 behind --skip
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// How many to pass over
        #[arg(long, value_name = "NUMBER")]
        skip: Option<u64>,
    },
    /// Change an article or a suggestion; what is not named stays
    Set {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its reference
        entry: String,
        /// Another title
        #[arg(long)]
        title: Option<String>,
        /// What changes
        #[command(flatten)]
        texts: ArticleTexts,
    },
    /// Remove an article or a suggestion; it is still listed, as deleted
    Remove {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its reference
        entry: String,
    },
}

/// What an article says.
#[derive(Debug, Args)]
pub struct ArticleTexts {
    /// The category that it stands in, by reference or title
    #[arg(long, value_name = "CATEGORY")]
    pub category: Option<String>,
    /// Its text
    #[arg(long)]
    pub content: Option<String>,
    /// What it is about
    #[arg(long)]
    pub metadescription: Option<String>,
    /// Words by which it is found
    #[arg(long)]
    pub keywords: Option<String>,
    /// Whether everybody may read it
    #[arg(long, value_name = "BOOL")]
    pub public: Option<bool>,
}
