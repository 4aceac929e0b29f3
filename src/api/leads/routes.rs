//! The routes of the surface (`protocols/leads-api.md` 1.1) and the spellings of their paths.
//!
//! Owns the table. Does not know what a route does.

use hyper::Method;

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Route {
    Overview,
    List,
    AppointmentsList,
    ViewLead,
    CreateAppointment,
    UpdateAppointment,
    DeleteAppointment,
    CreateLead,
    UpdateLead,
    DeleteLead,
    CreateLeadNote,
    DeleteLeadNote,
    UserLogin,
    TokenRefresh,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 14] = [
        Self::Overview,
        Self::List,
        Self::AppointmentsList,
        Self::ViewLead,
        Self::CreateAppointment,
        Self::UpdateAppointment,
        Self::DeleteAppointment,
        Self::CreateLead,
        Self::UpdateLead,
        Self::DeleteLead,
        Self::CreateLeadNote,
        Self::DeleteLeadNote,
        Self::UserLogin,
        Self::TokenRefresh,
    ];

    /// Its path in the one spelling that has nothing to spare.
    pub fn path(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::List => "list",
            Self::AppointmentsList => "appointments/list",
            Self::ViewLead => "view/lead",
            Self::CreateAppointment => "create/appointment",
            Self::UpdateAppointment => "update/appointment",
            Self::DeleteAppointment => "delete/appointment",
            Self::CreateLead => "create/lead",
            Self::UpdateLead => "update/lead",
            Self::DeleteLead => "delete/lead",
            Self::CreateLeadNote => "create/leadnote",
            Self::DeleteLeadNote => "delete/leadnote",
            Self::UserLogin => "user/login",
            Self::TokenRefresh => "user/token/refresh",
        }
    }

    /// The one method that it knows.
    pub fn method(self) -> Method {
        match self {
            Self::Overview | Self::List | Self::AppointmentsList | Self::ViewLead => Method::GET,
            _ => Method::POST,
        }
    }

    /// Whether a user's access token is needed.
    pub fn needs_user(self) -> bool {
        !matches!(self, Self::UserLogin | Self::TokenRefresh)
    }

    /// Every spelling of its path below `prefix`.
    pub fn paths(self, prefix: &str) -> Vec<String> {
        let between: &[&str] = if self.needs_user() {
            &["", "v1/", "leads/", "v1/leads/"]
        } else {
            &["", "v1/"]
        };
        let spelled = |between: &&str| format!("{prefix}/{between}{}", self.path());
        between.iter().map(spelled).collect()
    }

    /// The route of a path, given by its segments below the prefix.
    pub fn of(segments: &[String]) -> Option<Self> {
        let path = segments.join("/");
        let path = path.strip_prefix("v1/").unwrap_or(&path);
        let (path, is_under_leads) = match path.strip_prefix("leads/") {
            Some(rest) => (rest, true),
            None => (path, false),
        };
        let named = |route: &Self| route.path() == path && (route.needs_user() || !is_under_leads);
        Self::ALL.into_iter().find(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_its_route() {
        for route in Route::ALL {
            let paths = route.paths("");
            assert_eq!(paths.len(), if route.needs_user() { 4 } else { 2 });
            for path in paths {
                let segments: Vec<String> = path[1..].split('/').map(str::to_owned).collect();
                assert_eq!(Route::of(&segments), Some(route), "{path}");
            }
        }
        for path in [
            "leads/user/login",
            "leads/v1/list",
            "v1/v1/list",
            "lists",
            "",
        ] {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(Route::of(&segments), None, "{path}");
        }
    }
}
