//! `sheriff secret set`: a new secret, or another value of one that there is.
//!
//! Not for: secrets whose use root decides; those stand in `sheriffd.toml`, and only their value is set
//! here.

use std::path::PathBuf;

use api::control::{SECRET_MEDIA_TYPE, SecretChange, SecretLine};
use bytes::Bytes;
use clap::ValueEnum;
use model::secret::{AwsScope, OAuth2Flow, OAuth2Grant};
use model::{SecretDefinition, SecretKind, SecretName, SecretPlace};

use super::value;
use crate::commands::words;
use crate::control::Control;
use crate::failure::Failure;
use crate::render::{Output, secret};
use crate::sockets::Sockets;

/// Options of `secret set`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A host that the secret may go to, over TLS; port 443 if not given. Left out: only the value changes, of a secret that you defined
    #[arg(long, value_name = "HOST[:PORT]", value_parser = words::exact)]
    host: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Text around the value in the header, with {} for it; `Bearer {}` for authorization
    #[arg(long, value_name = "TEXT", requires = "host")]
    format: Option<String>,
    /// Variable that holds the placeholder in the jail; the name in capitals if not given
    #[arg(long, value_name = "VAR", requires = "host")]
    env: Option<String>,
    /// How the value begins; the placeholder begins so too
    #[arg(long, value_name = "TEXT", requires = "host")]
    prefix: Option<String>,
    #[command(flatten)]
    kind: Kind,
    /// File with the value; standard input if not given
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Its name
    #[arg(value_name = "NAME")]
    name: SecretName,
}

/// Where in a request it stands.
#[derive(Debug, clap::Args)]
#[group(multiple = false, requires = "host")]
struct Place {
    /// In this header field; authorization if no place is given
    #[arg(long, value_name = "NAME")]
    header: Option<String>,
    /// As the password of basic authentication for this user, as git wants it
    #[arg(long, value_name = "USER")]
    basic: Option<String>,
    /// In this query parameter
    #[arg(long, value_name = "NAME")]
    query: Option<String>,
    /// In the path
    #[arg(long)]
    path: bool,
    /// In the body
    #[arg(long)]
    body: bool,
}

/// What the value is, if it is not sent itself.
#[derive(Debug, clap::Args)]
struct Kind {
    /// Token endpoint (OAuth 2); the value is JSON with `client_secret` and, for refresh, `refresh_token`
    #[arg(long, value_name = "URL", requires_all = ["host", "client_id"])]
    token_url: Option<String>,
    /// How tokens are asked for
    #[arg(long, value_name = "GRANT", default_value = "client-credentials")]
    grant: Grant,
    /// The client's id at the token endpoint
    #[arg(long, value_name = "ID", requires = "token_url")]
    client_id: Option<String>,
    /// What is asked for at the token endpoint
    #[arg(long, value_name = "SCOPE", requires = "token_url")]
    scope: Option<String>,
    /// Region of AWS requests to sign; the value is JSON with `access_key_id` and `secret_access_key`
    #[arg(long, value_name = "REGION", requires_all = ["host", "aws_service"], conflicts_with = "token_url")]
    aws_region: Option<String>,
    /// Service of AWS requests to sign
    #[arg(long, value_name = "SERVICE", requires = "aws_region")]
    aws_service: Option<String>,
}

/// A flow as the option names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Grant {
    ClientCredentials,
    RefreshToken,
}

/// Sets it.
pub(crate) fn run(args: Args, sockets: &Sockets) -> Result<u8, Failure> {
    let (name, json, file) = (args.name.clone(), args.json, args.from_file.clone());
    let change = SecretChange {
        definition: args.definition(),
    };
    let head = serde_json::to_vec(&change).map_err(|source| Failure::Output {
        source: source.into(),
    })?;
    let body = value::body(&head, file.as_deref())?;
    let path = format!("/v1/secrets/{name}");
    let body = (SECRET_MEDIA_TYPE, Bytes::from_owner(body));
    let line: SecretLine = Control::new(sockets).put(&path, body)?;
    let mut output = Output::new();
    match json {
        true => output.json(&line)?,
        false => secret::set(&line, &mut output)?,
    }
    output.finish().map(|()| 0)
}

impl Args {
    fn definition(self) -> Option<SecretDefinition> {
        let definition = SecretDefinition {
            name: self.name,
            place: self.place.chosen(),
            format: self.format,
            env: self.env,
            prefix: self.prefix,
            kind: self.kind.chosen(),
            source: None,
            hosts: self.host,
        };
        (!definition.hosts.is_empty()).then_some(definition)
    }
}

impl Place {
    fn chosen(self) -> Option<SecretPlace> {
        let header = self.header.map(SecretPlace::Header);
        let basic = self.basic.map(SecretPlace::Basic);
        let query = self.query.map(SecretPlace::Query);
        let path = self.path.then_some(SecretPlace::Path);
        let body = self.body.then_some(SecretPlace::Body);
        header.or(basic).or(query).or(path).or(body)
    }
}

impl Kind {
    fn chosen(self) -> SecretKind {
        if let (Some(token_url), Some(client_id)) = (self.token_url, self.client_id) {
            return SecretKind::OAuth2(OAuth2Grant {
                token_url,
                client_id,
                scope: self.scope,
                grant: match self.grant {
                    Grant::ClientCredentials => OAuth2Flow::ClientCredentials,
                    Grant::RefreshToken => OAuth2Flow::RefreshToken,
                },
            });
        }
        match (self.aws_region, self.aws_service) {
            (Some(region), Some(service)) => SecretKind::AwsSigv4(AwsScope { region, service }),
            _ => SecretKind::Static,
        }
    }
}
