//! Runs other programs. Each command is printed before it starts, and an error names it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs `command` with the terminal of this process. Returns an error unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", line(command));
    let status = command.status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Like [`run`], but the output of the program goes to stderr, because stdout is for the result of the xtask.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    run(command.stdout(Stdio::from(std::io::stderr())))
}

/// Runs `command` and returns its stdout; its stderr goes to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stderr(Stdio::inherit()).output().with_context(|| cannot_start(command))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", line(command), output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed no UTF-8", line(command)))
}

/// Runs `command` and prints its stdout line by line. Returns whether it succeeded, and the lines.
pub(crate) fn tee(command: &mut Command) -> Result<(bool, Vec<String>)> {
    eprintln!("$ {}", line(command));
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    let mut lines = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).split(b'\n') {
            let text = String::from_utf8_lossy(&text?).into_owned();
            println!("{text}");
            lines.push(text);
        }
    }
    Ok((child.wait()?.success(), lines))
}

/// Whether `command` starts and succeeds. Its output is discarded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// The command as a shell line.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn cannot_start(command: &Command) -> String {
    format!("`{}` does not start; is it installed?", command.get_program().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(error.to_string().contains("`sh -c exit 3` failed"), "{error}");
        let error = run(&mut Command::new("no-such-program-anywhere")).unwrap_err();
        assert!(error.to_string().contains("is it installed?"), "{error}");
    }

    #[test]
    fn output_and_status_come_back() {
        assert_eq!(output(Command::new("echo").arg("a b")).unwrap(), "a b\n");
        let (success, lines) =
            tee(Command::new("sh").args(["-c", "echo one; echo two; exit 1"])).unwrap();
        assert_eq!((success, lines), (false, vec!["one".to_owned(), "two".to_owned()]));
        assert!(succeeds(&mut Command::new("true")));
        assert!(!succeeds(&mut Command::new("no-such-program-anywhere")));
    }
}
