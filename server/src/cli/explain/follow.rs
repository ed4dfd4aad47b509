//! From a plan to results: creates the runs, follows their events, and writes each result as its run ends.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use whyglass_engine::{Code, Error, EventKind, Finished, RunEvent, RunName, RunSpec, RunState};
use whyglass_imaging::{Picture, Sheet, SheetRow};
use whyglass_server::grpc::MAX_REQUEST_BYTES;

use super::figures::{Caption, Style, png};
use super::folder::Folder;
use super::frames::Frames;
use super::interrupt::Interrupt;
use super::params::{Params, Targets};
use super::plan::{Job, Plan, Subject};
use super::progress::{Display, Meter};
use super::report::{Document, Story, exit, is_picture, write_artifact};
use super::runner::Runner;
use crate::cli::classify::percent;
use crate::cli::failure::{Exit, Failure};

/// How many runs are asked for at a time; an engine's queue takes them all, if nobody else is there.
const AT_ONCE: usize = 32;
/// The most bytes of pictures in one request: what surrounds them has room in a server's limit too.
const PICTURE_BYTES: usize = MAX_REQUEST_BYTES - (1 << 20);
/// The longest wait before a full queue is asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// What all runs have in common.
pub(crate) struct Request<'a> {
    pub(crate) params: &'a Params,
    pub(crate) targets: &'a Targets,
    pub(crate) seed: Option<u64>,
    pub(crate) max_duration: Option<Duration>,
    /// Draw every intermediate state.
    pub(crate) frames: bool,
    /// Say nothing on standard output.
    pub(crate) quiet: bool,
}

/// What became of a job.
pub(crate) struct JobResult {
    pub(crate) document: Document,
    pub(crate) exit: Exit,
    /// What stands on the sheet.
    figure: Option<Picture>,
}

/// Runs everything. Fewer results than jobs mean that Ctrl-C came before the rest was begun.
pub(crate) fn run_all(
    runner: &dyn Runner,
    plan: &Plan,
    request: &Request<'_>,
    folder: &Folder,
    style: &Style,
    interrupt: &Interrupt,
) -> Result<Vec<JobResult>, Failure> {
    let session = Session { runner, plan, request, folder, style };
    let mut results = Vec::new();
    let mut waiting = requests(plan);
    waiting.reverse();
    while let Some(jobs) = waiting.pop() {
        if interrupt.pressed() {
            break;
        }
        match session.begin(jobs) {
            Ok((captions, names)) => results.extend(session.follow(jobs, captions, &names, interrupt)?),
            Err(Error { code: Code::ResourceExhausted, retry_after: Some(pause), .. }) => {
                // Whoever asks for less is let in sooner.
                let (first, second) = jobs.split_at(jobs.len().div_ceil(2));
                waiting.extend([second, first].into_iter().filter(|jobs| !jobs.is_empty()));
                std::thread::sleep(pause.min(PAUSE));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if plan.jobs.len() > 1 {
        let path = folder.write("sheet.png", &png(&sheet(plan, &results).render())?)?;
        if !request.quiet {
            outln!("{}", path.display());
        }
    }
    Ok(results)
}

/// The jobs in their order, as many together as one request takes.
fn requests(plan: &Plan) -> Vec<&[Job]> {
    let size = |job: &Job| match &plan.subjects[job.subject] {
        Subject::Picture(file) => file.encoded.len(),
        Subject::Dataset(name) => name.len(),
    };
    let (mut requests, mut rest) = (Vec::new(), &plan.jobs[..]);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |job: &&Job| {
            bytes += size(job);
            bytes <= PICTURE_BYTES
        };
        // One that is too large by itself is the server's to refuse.
        let count = rest.iter().take(AT_ONCE).take_while(fits).count().max(1);
        let (request, others) = rest.split_at(count);
        requests.push(request);
        rest = others;
    }
    requests
}

struct Session<'a> {
    runner: &'a dyn Runner,
    plan: &'a Plan,
    request: &'a Request<'a>,
    folder: &'a Folder,
    style: &'a Style,
}

/// A run that has been created.
struct Active<'a> {
    index: usize,
    job: &'a Job,
    caption: Caption,
    story: Story,
    frames: Frames,
    meter: Meter,
}

impl<'a> Session<'a> {
    /// Creates the runs of `jobs`.
    fn begin(&self, jobs: &[Job]) -> Result<(Vec<Caption>, Vec<RunName>), Error> {
        let captions = jobs.iter().map(|job| self.caption(job)).collect::<Result<_, _>>()?;
        Ok((captions, self.runner.create(jobs.iter().map(|job| self.spec(job)).collect())?))
    }

    /// Follows the runs of `jobs` to their ends.
    fn follow(
        &self,
        jobs: &'a [Job],
        captions: Vec<Caption>,
        names: &[RunName],
        interrupt: &Interrupt,
    ) -> Result<Vec<JobResult>, Failure> {
        interrupt.watch_over(names, self.runner);
        let display = Display::new(self.request.quiet);
        let mut active: HashMap<RunName, Active<'_>> = HashMap::new();
        for (index, ((job, caption), name)) in jobs.iter().zip(captions).zip(names).enumerate() {
            let meter = display.run(self.title(job));
            let (story, frames) = (Story::default(), Frames::default());
            active.insert(name.clone(), Active { index, job, caption, story, frames, meter });
        }
        let mut events = self.runner.watch(names)?;
        let mut results: Vec<Option<JobResult>> = jobs.iter().map(|_| None).collect();
        while let Some(event) = events.next()? {
            let Some(run) = active.get_mut(&*event.run) else { continue };
            if let EventKind::Finished(finished) = &event.kind {
                run.meter.finish();
                let result = self.finish(&event.run, run, finished)?;
                display.say(&verdict(&self.title(run.job), finished));
                results[run.index] = Some(result);
                active.remove(&*event.run);
            } else {
                self.note(run, &event, &display)?;
            }
        }
        if let Some(lost) = active.values().next() {
            let message = format!("{}: the run was given up before it ended", self.title(lost.job));
            return Err(Failure::failed(message));
        }
        Ok(results.into_iter().flatten().collect())
    }

    fn note(&self, run: &mut Active<'_>, event: &RunEvent, display: &Display) -> Result<(), Failure> {
        match &event.kind {
            EventKind::Started(started) => run.story.started = Some(Arc::clone(started)),
            EventKind::Progress(progress) => run.meter.update(progress),
            EventKind::Metrics(values) => run.story.metrics.extend(values.clone()),
            EventKind::Notice { reason, message } => {
                display.say(&format!("note: {message}"));
                run.story.notices.push((reason.clone(), message.clone()));
            }
            EventKind::Keyframe(frame) if self.request.frames => {
                run.frames.keyframe(frame, event.sequence);
                self.draw_frame(run, &frame.artifact, event.sequence)?;
            }
            EventKind::Tiles(tiles) if self.request.frames && run.frames.tiles(tiles, event.sequence).is_some() => {
                self.draw_frame(run, &tiles.artifact, event.sequence)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn draw_frame(&self, run: &Active<'_>, artifact: &str, sequence: u64) -> Result<(), Failure> {
        let Some(state) = run.frames.get(artifact) else { return Ok(()) };
        let picture = self.plan.subjects[run.job.subject].picture();
        if let Some(figure) = run.caption.figure(state, picture, run.story.started.as_deref(), self.style)? {
            let name = format!("frames/{artifact}-{sequence:06}.png");
            self.folder.inside(&run.job.folder).write(&name, &png(&figure)?)?;
        }
        Ok(())
    }

    fn finish(&self, name: &str, run: &mut Active<'_>, finished: &Finished) -> Result<JobResult, Failure> {
        let job = run.job;
        run.caption.stopped = finished.state == RunState::Stopped;
        let subject = &self.plan.subjects[job.subject];
        let folder = self.folder.inside(&job.folder);
        let started = run.story.started.as_deref();
        let mut document = Document::new(&job.technique, &job.model, subject, &run.story, finished);
        let mut shown = None;
        for reference in &finished.artifacts {
            let artifact = self.runner.artifact(name, &reference.id)?;
            let (described, figure) =
                write_artifact(&folder, &artifact, subject.picture(), started, &run.caption, self.style)?;
            if !self.request.quiet && figure.is_some() && run.caption.is_main(&artifact.id) {
                let class = document.target.as_ref().and_then(|target| target["label"].as_str()).unwrap_or_default();
                let path = folder.path(&format!("{}.png", artifact.id));
                outln!("{}", [class, &path.display().to_string()].join("  ").trim());
            }
            if shown.is_none() && is_picture(artifact.kind) && run.caption.is_main(&artifact.id) {
                shown = figure;
            }
            document.artifacts.push(described);
        }
        folder.write("result.json", &document.bytes()?)?;
        let exit = exit(finished);
        if exit == Exit::Failed {
            eprintln!("error: {}: {}", self.title(job), finished.status.message);
        }
        Ok(JobResult { document, exit, figure: shown })
    }

    fn caption(&self, job: &Job) -> Result<Caption, Error> {
        let descriptor = self.runner.technique(&job.technique)?;
        let technique = if descriptor.title.is_empty() { job.technique.clone() } else { descriptor.title };
        let model = self.runner.model_title(&job.model);
        Ok(Caption { technique, model, artifacts: descriptor.artifacts, stopped: false })
    }

    fn spec(&self, job: &Job) -> RunSpec {
        RunSpec {
            model: job.model.clone(),
            technique: job.technique.clone(),
            image: self.plan.subjects[job.subject].source(),
            target: self.request.targets.get(&job.model, self.plan.subjects[job.subject].name()),
            params: self.request.params.get(&job.technique).cloned().unwrap_or_default(),
            seed: self.request.seed,
            max_duration: self.request.max_duration,
        }
    }

    /// How a run is called in lines for people: no more than what tells it from the others.
    fn title(&self, job: &Job) -> String {
        let mut name = job.technique.clone();
        if self.plan.jobs.iter().any(|other| other.model != job.model) {
            name.push_str(&format!(" {}", job.model));
        }
        if self.plan.subjects.len() > 1 {
            name.push_str(&format!(" {}", self.plan.subjects[job.subject].name()));
        }
        name
    }
}

fn verdict(title: &str, finished: &Finished) -> String {
    let how = match finished.state {
        RunState::Succeeded => "done".to_owned(),
        RunState::Stopped => "ended early, with what there was".to_owned(),
        RunState::Cancelled => "cancelled".to_owned(),
        _ => "failed".to_owned(),
    };
    format!("{title}: {how}")
}

/// Pictures in rows; models × techniques in columns, model by model.
fn sheet(plan: &Plan, results: &[JobResult]) -> Sheet {
    let rows = plan.jobs.chunks(plan.columns).enumerate().map(|(row, jobs)| {
        let results = jobs.iter().enumerate().map(|(column, _)| results.get(row * plan.columns + column));
        let path = Path::new(plan.subjects[jobs[0].subject].name());
        let mut heading = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut told = "";
        for (job, result) in jobs.iter().zip(results.clone()) {
            // What a model sees is the same for all techniques.
            if job.model != told
                && let Some(best) = result.and_then(|result| result.document.scores.first())
            {
                let probability = best["probability"].as_f64().unwrap_or_default() as f32;
                let label = best["label"].as_str().unwrap_or_default();
                heading.push_str(&format!(" · {}: {label} {}", job.model, percent(probability).trim()));
            }
            told = &job.model;
        }
        SheetRow { heading, figures: results.map(|result| result?.figure.clone()).collect() }
    });
    Sheet { title: String::new(), rows: rows.collect() }
}
