//! `whyglass explain`: techniques × models × pictures, computed in this process or by a server, and written to a folder.
//!
//! Both ways go through one [`runner::Runner`], and everything after it is the same code, so that the same seed gives the
//! same bytes.

mod figures;
mod folder;
mod follow;
mod frames;
mod interrupt;
mod local;
mod messages;
mod params;
mod plan;
mod progress;
mod remote;
mod report;
mod runner;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use whyglass_imaging::Colormap;
use whyglass_server::tokens::Token;

use super::failure::{Exit, Failure};
use super::normalize::Normalize;
use super::picture;
use super::places::Places;
use super::table::print_json;
use folder::Folder;
use plan::{Plan, Subject};
use runner::Runner;

/// Explain what a model sees in pictures, with one technique or several.
///
/// One run writes result.json, the raw numbers (.npy) and figures (.png) into --out; several write into
/// OUT/<picture>/<model>/<technique>/, and OUT/sheet.png sets them side by side. Ctrl-C ends early and keeps the best so far.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 done, 1 failed, 2 refused, 3 ended early with the best result so far.")]
pub(crate) struct Args {
    /// Names from `whyglass techniques`, separated by commas.
    #[arg(value_name = "TECHNIQUE[,…]")]
    techniques: Names,
    /// Names from `whyglass models`, or paths of model files, separated by commas.
    #[arg(id = "of-models", value_name = "MODEL[,…]")]
    models: Names,
    /// PNG, JPEG, WebP, BMP or GIF; several are explained one by one.
    #[arg(required_unless_present = "dataset", value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// A dataset instead of pictures, for techniques that explain one: its folder or manifest, or its name among --datasets.
    #[arg(long, value_name = "DIR", conflicts_with = "images")]
    dataset: Option<String>,
    /// A parameter of the technique; the value is JSON or plain text. With several techniques, TECHNIQUE.NAME=VALUE is for
    /// one of them.
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// The class to explain, as index or label [default: what the model sees]. MODEL=CLASS and
    /// PICTURE=CLASS are for one of several; the model's wins.
    #[arg(long, value_name = "CLASS")]
    target: Vec<String>,
    /// Short for -p layer=NAME.
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// The same seed gives the same result [default: drawn, and written down].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// End then, with the best result so far: 500ms, 30s, 5m.
    #[arg(long, value_name = "TIME", value_parser = params::duration)]
    max_duration: Option<Duration>,
    /// Where results are written.
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Draw every intermediate state too, into frames/.
    #[arg(long)]
    frames: bool,
    /// turbo, viridis, magma, inferno, jet or red-blue [default: turbo; red-blue for signed maps].
    #[arg(long, value_name = "NAME", value_parser = colormap)]
    colormap: Option<Colormap>,
    /// How much of the picture the map covers, 0 to 1.
    #[arg(long, value_name = "OPACITY", default_value_t = 0.5, value_parser = params::opacity)]
    alpha: f64,
    #[command(flatten)]
    normalize: Normalize,
    /// Let this server do it: http://127.0.0.1:50051, https://host:port
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The certificate (PEM) that the server's is signed by; for a server on https.
    #[arg(long, value_name = "FILE", requires = "server")]
    server_ca: Option<PathBuf>,
    /// The token for a server that asks for one: a file with nothing else in it.
    #[arg(long, value_name = "FILE", env = "WHYGLASS_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// The token itself; other users of this machine see flags, so prefer the file or the variable.
    #[arg(long, value_name = "TOKEN", env = "WHYGLASS_TOKEN", hide_env_values = true, hide_short_help = true)]
    token: Option<Token>,
    /// Print result.json (several: an array) on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
}

/// Names with commas between them.
#[derive(Clone, Debug)]
struct Names(Vec<String>);

impl std::str::FromStr for Names {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            return Err("a name is empty; is there a comma too many?".to_owned());
        }
        Ok(Self(names))
    }
}

fn colormap(name: &str) -> Result<Colormap, String> {
    name.parse().map_err(|error: whyglass_imaging::Error| error.to_string())
}

pub(crate) fn run(places: &Places, args: &Args) -> Result<Exit, Failure> {
    // All that can be wrong without asking the engine comes first, so that it costs nothing.
    let params = params::parse(&args.params, args.layer.as_deref(), &args.techniques.0)?;
    let pictures: Vec<String> = args.images.iter().map(|path| path.display().to_string()).collect();
    let targets = params::targets(&args.target, &args.models.0, &pictures)?;
    let limits = places.picture_limits()?;
    let subjects = match &args.dataset {
        Some(dataset) => vec![Subject::Dataset(dataset.clone())],
        None => {
            let pictures = args.images.iter().map(|path| picture::read(path, &limits).map(Subject::Picture));
            pictures.collect::<Result<_, _>>()?
        }
    };
    let plan = Plan::new(&args.techniques.0, &args.models.0, subjects)?;
    if args.server.is_some() && args.normalize.normalize.is_some() {
        let why = "--normalize is for models in this process; a server's models say in model.toml what they expect";
        return Err(Failure::refused(why));
    }
    if args.server.is_some() && places.engine.backend.is_some() {
        let why = "--backend is for models in this process; a server's models say in model.toml, or its own --backend, what runs them";
        return Err(Failure::refused(why));
    }
    let folder = Folder::create(&args.out)?;
    let mut in_process = None;
    let runner: Arc<dyn Runner> = match &args.server {
        Some(url) => {
            let from_file = args.token_file.as_deref().map(Token::read).transpose();
            let token = from_file.map_err(|error| Failure::refused(format!("--token-file: {error}")))?;
            let token = token.as_ref().or(args.token.as_ref());
            Arc::new(remote::Remote::connect(url, args.server_ca.as_deref(), token)?)
        }
        None => {
            let engine = in_process.insert(places.engine_with(&args.normalize)?);
            Arc::new(local::Local::new(Arc::clone(engine)))
        }
    };
    let look = figures::Style { colormap: args.colormap, alpha: args.alpha };
    let request = follow::Request {
        params: &params,
        targets: &targets,
        seed: args.seed,
        max_duration: args.max_duration,
        frames: args.frames,
        quiet: args.json,
    };
    let interrupt = interrupt::Interrupt::install(&runner)?;
    let results = follow::run_all(runner.as_ref(), &plan, &request, &folder, &look, &interrupt)?;
    if args.json {
        let documents: Vec<_> = results.iter().map(|result| &result.document).collect();
        match documents.as_slice() {
            [only] => print_json(only)?,
            several => print_json(several)?,
        }
    }
    let exits = || results.iter().map(|result| result.exit);
    let failed = exits().any(|exit| exit == Exit::Failed);
    let stopped = exits().any(|exit| exit == Exit::Stopped) || results.len() < plan.jobs.len();
    Ok(if failed {
        Exit::Failed
    } else if stopped {
        Exit::Stopped
    } else {
        Exit::Done
    })
}
