//! Reading an artifact over a connection that may break.

use tonic::Status;
use whyglass_proto::v1;
use whyglass_proto::v1::explain_service_client::ExplainServiceClient;

use super::explanation::{Patience, may_pass};
use super::{Calls, ClientError};

pub(super) async fn read(
    client: &mut ExplainServiceClient<Calls>,
    name: &str,
    render: Option<v1::Render>,
) -> Result<Vec<u8>, ClientError> {
    let mut file = Vec::new();
    let mut patience = Patience::new();
    loop {
        let before = file.len();
        let request = v1::ReadArtifactRequest { name: name.to_owned(), offset: before as u64, render: render.clone() };
        match pieces(client, request, &mut file).await {
            Ok(()) => return Ok(file),
            Err(status) if may_pass(&status) => {
                if file.len() > before {
                    patience = Patience::new();
                }
                patience.wait(status).await?;
            }
            Err(status) => return Err(status.into()),
        }
    }
}

async fn pieces(
    client: &mut ExplainServiceClient<Calls>,
    request: v1::ReadArtifactRequest,
    file: &mut Vec<u8>,
) -> Result<(), Status> {
    let mut stream = client.read_artifact(request).await?.into_inner();
    while let Some(piece) = stream.message().await? {
        file.extend_from_slice(&piece.data);
    }
    Ok(())
}
