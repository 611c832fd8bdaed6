//! A log that is read while it is written.

use crate::support::{Process, Sandbox};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::time::Duration;

fn line(number: u32) -> String {
    format!(
        "17645{number:05}.123     96 192.0.2.{} TCP_TUNNEL/200 {number} CONNECT www.dropbox.com:443 ann HIER_DIRECT/203.0.113.20 -\n",
        number % 250
    )
}

#[test]
fn records_come_out_of_a_pipe_as_they_go_in() {
    let sandbox = Sandbox::new();
    for arguments in [&["records", "-"][..], &["records", "-", "--log-type", "SQUID_NATIVE", "--format", "csv"]] {
        let mut command = sandbox.command(arguments);
        let mut child = Process::of(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()));
        let (mut pipe, out) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (tell, told) = channel();
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| tell.send(line)).ok();
        });
        let mut expect = |number: u32| loop {
            let said = told.recv_timeout(Duration::from_secs(60)).expect("a line while the pipe is open");
            // The heading of a table comes before its rows.
            if !said.starts_with("time") {
                let bytes =
                    if said.starts_with('{') { format!("\"bytes_down\":{number}") } else { format!(",{number},") };
                assert!(said.contains(&bytes), "{number}: {said}");
                return;
            }
        };
        pipe.write_all((0..12).map(line).collect::<String>().as_bytes()).expect("it reads");
        (0..12).for_each(&mut expect);
        for number in 12..15 {
            let text = line(number);
            let (half, rest) = text.split_at(40);
            pipe.write_all(half.as_bytes()).expect("it reads");
            pipe.write_all(rest.as_bytes()).expect("it reads");
            expect(number);
        }
        drop(pipe);
        assert!(child.ends_within(Duration::from_secs(60)).success());
    }
}
