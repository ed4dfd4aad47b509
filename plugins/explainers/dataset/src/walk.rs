//! All pictures of a dataset through a model, batch by batch: the next batch is decoded while this one is computed, and a
//! picture that cannot be read is passed over (the host names it).

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use whyglass_sdk::{Call, Error, Images, Model, Result, Status, Tensor, TensorView};

/// What a model said of some pictures.
pub(crate) struct Answers {
    /// Their numbers in the dataset.
    pub(crate) pictures: Vec<usize>,
    /// One per fetch, a row per picture.
    pub(crate) outputs: Vec<Tensor>,
    /// How many pictures are behind us, those that could not be read included.
    pub(crate) done: usize,
}

/// Batches that wait decoded: enough to bridge a slow picture, few enough to be small.
const AHEAD: usize = 2;

/// Runs `fetches` on every picture in `wanted`, in that order, and hands the answers to `each`.
pub(crate) fn walk(
    call: &Call<'_>,
    model: &dyn Model,
    images: &dyn Images,
    wanted: &[usize],
    fetches: &[&str],
    mut each: impl FnMut(&Answers) -> Result<()>,
) -> Result<()> {
    let rows = model.descriptor().preferred_batch.max(1) as usize;
    thread::scope(|scope| {
        let (send, receive) = sync_channel(AHEAD);
        scope.spawn(move || decode(call, images, wanted, rows, &send));
        for batch in receive {
            let batch: Batch = batch?;
            if !batch.pictures.is_empty() {
                let [height, width] = batch.size;
                let shape = [batch.pictures.len() as i64, 3, height, width];
                let outputs = model.run(call, &[("input", TensorView::new(&shape, &batch.pixels))], fetches)?;
                each(&Answers { pictures: batch.pictures, outputs, done: batch.done })?;
            }
        }
        // A sender that hung up early has said why in its last message; a full walk ends here.
        call.check()
    })
}

#[derive(Default)]
struct Batch {
    pictures: Vec<usize>,
    pixels: Vec<f32>,
    size: [i64; 2],
    done: usize,
}

/// Ends when all is decoded, at the first error, or when nobody listens any more.
fn decode(call: &Call<'_>, images: &dyn Images, wanted: &[usize], rows: usize, send: &SyncSender<Result<Batch>>) {
    let mut done = 0;
    for chunk in wanted.chunks(rows) {
        let batch = chunk.iter().try_fold(Batch::default(), |mut batch, &index| {
            match images.get(call, index) {
                Ok(picture) => {
                    let &[1, 3, height, width] = picture.shape() else {
                        return Err(Error::internal(format!("picture {index} has shape {:?}", picture.shape())));
                    };
                    batch.size = [height, width];
                    batch.pixels.extend_from_slice(picture.data());
                    batch.pictures.push(index);
                }
                Err(error) if error.status == Status::DataLoss => {}
                Err(error) => return Err(error),
            }
            Ok(batch)
        });
        done += chunk.len();
        let failed = batch.is_err();
        if send.send(batch.map(|batch| Batch { done, ..batch })).is_err() || failed {
            return;
        }
    }
}

/// The class with the largest value, the first of several.
pub(crate) fn best(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (index, &value)| if value > row[best] { index } else { best })
}
