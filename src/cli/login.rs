//! `logweir login|logout|whoami`: sign-in of a person by device code, and who is signed in.

use super::{Context, connect, listing};
use crate::domain::TenantName;
use crate::error::{Error, Result};
use crate::service::{AuthMethod, begin_login};
use crate::ui::Table;
use clap::Args;

/// Sign in as a person, by a code typed into a browser
#[derive(Debug, Args)]
pub struct Login {
    /// Ask for this permission only, such as Investigation.read (default: all that were granted)
    #[arg(long, value_name = "NAME")]
    scope: Option<String>,
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

/// Forget the sign-in of a person
#[derive(Debug, Args)]
pub struct Logout {
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

/// Show who is signed in, and what that allows
#[derive(Debug, Args)]
pub struct Whoami {
    /// The tenant, when the configuration has several
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: TenantName,
}

impl Login {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        // Makes the state directory with its mode; the sign-in is kept there.
        drop(connect::ledger(&config)?);
        let settings = connect::tenant_settings(context, &config, &self.tenant)?;
        let AuthMethod::User { tenant_id, client_id, store } = settings.auth.clone() else {
            return Err(Error::usage(format!("tenant {} signs in by itself: {}", self.tenant, settings.auth.name()))
                .hint("a person signs in when [auth] has method = \"device-code\""));
        };
        if let Some(scope) =
            self.scope.as_deref().filter(|scope| !scope.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'.'))
        {
            return Err(Error::usage(format!("{scope:?} is no permission")).hint("such as Discovery.manage"));
        }
        super::runtime()?.block_on(async {
            let stopped = super::interrupted()?;
            let signed_in = async {
                let prompt = begin_login(&settings, &tenant_id, &client_id, self.scope.as_deref()).await?;
                let minutes = prompt.good_for.as_secs() / 60;
                // On standard error, so that it is seen even where the output goes elsewhere.
                super::stderr_line(&format!(
                    "open {} and enter the code {} (good for {minutes} minutes)",
                    prompt.address, prompt.code
                ));
                prompt.wait(&store).await.map_err(Error::from)
            };
            tokio::select! {
                // A sign-in that came through is stored already: nobody is told otherwise.
                biased;
                ended = signed_in => ended,
                () = stopped => {
                    Err(Error::new(crate::error::Kind::Interrupted, "interrupted; nobody is signed in"))
                }
            }
        })?;
        context.ui.note("signed in; logweir whoami tells as whom");
        Ok(())
    }
}

impl Logout {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let config = context.config()?;
        let path = connect::session(&config, &self.tenant);
        match std::fs::remove_file(&path) {
            Ok(()) => {
                context.ui.note("signed out here; the sign-in itself ends in Entra: revoke the user's sessions there")
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => context.ui.note("nobody was signed in"),
            Err(error) => return Err(Error::failed(format!("cannot remove {}", path.display())).cause(error)),
        }
        Ok(())
    }
}

impl Whoami {
    pub(super) fn run(self, context: &mut Context<'_>) -> Result<()> {
        let service = listing::client(context, &self.tenant)?;
        let who = super::block_on(service.identity())?;
        let scopes = (!who.scopes.is_empty()).then(|| who.scopes.join(" "));
        let mut table = Table::new(&["method", "user", "application", "tenant", "scopes", "valid_for_s"]);
        table.row([
            who.method.into(),
            who.user.into(),
            who.application.into(),
            who.tenant.into(),
            scopes.into(),
            who.valid_for.map(|time| time.as_secs()).into(),
        ]);
        context.ui.table("identity", &table)
    }
}
