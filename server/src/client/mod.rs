//! A thin typed client: what a command line needs of another machine's server. Pages are put together, broken streams
//! resumed; what the answers mean is the caller's business.

mod artifact;
mod bearer;
mod explanation;

use std::path::Path;

use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use whyglass_proto::v1;
use whyglass_proto::v1::catalog_service_client::CatalogServiceClient;
use whyglass_proto::v1::explain_service_client::ExplainServiceClient;
use whyglass_proto::v1::model_service_client::ModelServiceClient;

pub use explanation::Explanation;

use self::bearer::Bearer;
use crate::tokens::Token;

/// Of an answer: the longest list and the largest event have room.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is none.
    #[error("'{url}' is not the address of a server; write http://host:port or https://host:port")]
    BadUrl {
        /// As it was given.
        url: String,
    },
    /// The certificate of the authority cannot be read.
    #[error("cannot read {path}: {source}")]
    Authority {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody answers there.
    #[error("cannot reach {url}: {message}; is the server running?")]
    Unreachable {
        /// As it was given.
        url: String,
        /// What the transport says.
        message: String,
    },
    /// The server refuses, or the connection is gone for good.
    #[error("{}", .0.message())]
    Status(#[from] Status),
}

/// A channel whose calls carry the token, where there is one.
type Calls = InterceptedService<Channel, Bearer>;

/// A connection to a server; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    catalog: CatalogServiceClient<Calls>,
    models: ModelServiceClient<Calls>,
    explain: ExplainServiceClient<Calls>,
}

impl Client {
    /// Connects to `http://host:port`, `https://host:port` or `host:port` (not encrypted). `authority` is a PEM file with
    /// the certificate that the server's is signed by; without it `https` trusts nothing. `token` is for a server that asks
    /// for one.
    ///
    /// # Errors
    /// An address that is none, or where nobody answers.
    pub async fn connect(url: &str, authority: Option<&Path>, token: Option<&Token>) -> Result<Self, ClientError> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let mut endpoint =
            Endpoint::from_shared(full.clone()).map_err(|_| ClientError::BadUrl { url: url.to_owned() })?;
        let unreachable = |error: tonic::transport::Error| ClientError::Unreachable {
            url: url.to_owned(),
            message: std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string),
        };
        if full.starts_with("https://") {
            let mut tls = ClientTlsConfig::new();
            if let Some(path) = authority {
                let failed = |source| ClientError::Authority { path: path.display().to_string(), source };
                tls = tls.ca_certificate(Certificate::from_pem(tokio::fs::read(path).await.map_err(failed)?));
            }
            endpoint = endpoint.tls_config(tls).map_err(unreachable)?;
        }
        Ok(Self::over(endpoint.connect().await.map_err(unreachable)?, token))
    }

    /// A client over a channel that exists already.
    #[must_use]
    pub fn over(channel: Channel, token: Option<&Token>) -> Self {
        let channel = InterceptedService::new(channel, Bearer::new(token));
        Self {
            catalog: CatalogServiceClient::new(channel.clone()).max_decoding_message_size(MAX_ANSWER_BYTES),
            models: ModelServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_ANSWER_BYTES)
                .max_encoding_message_size(MAX_ANSWER_BYTES),
            explain: ExplainServiceClient::new(channel)
                .max_decoding_message_size(MAX_ANSWER_BYTES)
                .max_encoding_message_size(MAX_ANSWER_BYTES),
        }
    }

    /// Version, instance and limits.
    ///
    /// # Errors
    /// The server's.
    pub async fn server_info(&mut self) -> Result<v1::GetServerInfoResponse, ClientError> {
        Ok(self.catalog.get_server_info(v1::GetServerInfoRequest {}).await?.into_inner())
    }

    /// All plugins.
    ///
    /// # Errors
    /// The server's.
    pub async fn plugins(&mut self) -> Result<Vec<v1::Plugin>, ClientError> {
        let mut all = Vec::new();
        let mut request = v1::ListPluginsRequest::default();
        loop {
            let page = self.catalog.list_plugins(request.clone()).await?.into_inner();
            all.extend(page.plugins);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// All techniques, or those that can run on `model`.
    ///
    /// # Errors
    /// The server's: NOT_FOUND for a model that does not exist.
    pub async fn techniques(&mut self, model: Option<&str>) -> Result<Vec<v1::Technique>, ClientError> {
        let mut all = Vec::new();
        let mut request =
            v1::ListTechniquesRequest { model: model.unwrap_or_default().to_owned(), ..Default::default() };
        loop {
            let page = self.catalog.list_techniques(request.clone()).await?.into_inner();
            all.extend(page.techniques);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// All models.
    ///
    /// # Errors
    /// The server's.
    pub async fn models(&mut self) -> Result<Vec<v1::Model>, ClientError> {
        let mut all = Vec::new();
        let mut request = v1::ListModelsRequest::default();
        loop {
            let page = self.models.list_models(request.clone()).await?.into_inner();
            all.extend(page.models);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// All layers of a model.
    ///
    /// # Errors
    /// The server's: NOT_FOUND for a model that does not exist.
    pub async fn layers(&mut self, model: &str) -> Result<Vec<v1::Layer>, ClientError> {
        let mut all = Vec::new();
        let mut request = v1::ListLayersRequest { model: model.to_owned(), ..Default::default() };
        loop {
            let page = self.models.list_layers(request.clone()).await?.into_inner();
            all.extend(page.layers);
            if page.next_page_token.is_empty() {
                return Ok(all);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// The best classes for a picture, best first; `top` 0: five.
    ///
    /// # Errors
    /// The server's.
    pub async fn classify(
        &mut self,
        model: &str,
        image: v1::ImageSource,
        top: u32,
    ) -> Result<Vec<v1::ClassScore>, ClientError> {
        let request = v1::ClassifyRequest { model: model.to_owned(), image: Some(image), top };
        Ok(self.models.classify(request).await?.into_inner().scores)
    }

    /// Creates runs and follows them to their end; see [`Explanation`].
    ///
    /// # Errors
    /// The server's, with BadRequest naming the field at fault.
    pub async fn explain(&mut self, request: v1::ExplainRequest) -> Result<Explanation, ClientError> {
        Explanation::begin(self.explain.clone(), request).await
    }

    /// Stops, pauses, resumes a run, or changes its live parameters.
    ///
    /// # Errors
    /// The server's.
    pub async fn control(
        &mut self,
        run: &str,
        action: v1::control_run_request::Action,
    ) -> Result<v1::Run, ClientError> {
        let request = v1::ControlRunRequest { run: run.to_owned(), action: Some(action) };
        Ok(self.explain.control_run(request).await?.into_inner().run.unwrap_or_default())
    }

    /// A run as it stands.
    ///
    /// # Errors
    /// The server's.
    pub async fn run(&mut self, run: &str) -> Result<v1::Run, ClientError> {
        let request = v1::GetRunRequest { run: run.to_owned() };
        Ok(self.explain.get_run(request).await?.into_inner().run.unwrap_or_default())
    }

    /// An artifact by its name: `.npy`, or drawn as `render` says. A broken read goes on where it broke.
    ///
    /// # Errors
    /// The server's.
    pub async fn read_artifact(&mut self, name: &str, render: Option<v1::Render>) -> Result<Vec<u8>, ClientError> {
        artifact::read(&mut self.explain, name, render).await
    }
}
