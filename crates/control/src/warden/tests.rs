//! The channel's client against a peer that answers late, wrongly, or not at all.

use std::os::fd::AsFd;

use model::{ExitRecord, SessionId};
use sys::seqpacket::Seqpacket;
use warrant::ProcessId;

use super::*;

fn session() -> SessionId {
    SessionId::from_random([1; 8])
}

fn pair() -> (Warden, Notices, Channel<Tell, Ask>, Group) {
    let group = Group::new("test");
    let (ours, theirs) = Seqpacket::pair().unwrap();
    let (warden, notices) = Warden::start(Channel::new(ours), &group).unwrap();
    (warden, notices, Channel::new(theirs), group)
}

/// Answers each of `answers` to the next question, in a thread.
fn answering(peer: Channel<Tell, Ask>, answers: Vec<Answer>) {
    let body = move || {
        for answer in answers {
            let (ask, _) = peer.receive().unwrap().unwrap();
            peer.send(&Tell::Answer(ask.tag, answer), &[]).unwrap();
        }
    };
    drop(tasks::thread("peer", body).unwrap());
}

/// The second question is answered first, each with a number that tells whose it is.
#[tokio::test]
async fn each_answer_reaches_its_question() {
    let (warden, _notices, peer, _group) = pair();
    let other = SessionId::from_random([2; 8]);
    let own = other.clone();
    let body = move || {
        let mut questions = [
            peer.receive().unwrap().unwrap().0,
            peer.receive().unwrap().unwrap().0,
        ];
        questions.reverse();
        for Ask { tag, request } in questions {
            let about_other = matches!(request, Request::Commit(session) if session == other);
            let answer = Answer::Started(ProcessId(if about_other { 2 } else { 1 }));
            peer.send(&Tell::Answer(tag, answer), &[]).unwrap();
        }
    };
    drop(tasks::thread("peer", body).unwrap());
    let (one, two) = tokio::join!(warden.commit(session()), warden.commit(own));
    assert_eq!(
        (one.unwrap().process, two.unwrap().process),
        (ProcessId(1), ProcessId(2))
    );
}

#[tokio::test]
async fn an_answer_of_another_kind_or_without_its_descriptors_is_an_error() {
    let (warden, _notices, peer, _group) = pair();
    answering(
        peer,
        vec![Answer::Done, Answer::Started(ProcessId(1)), Answer::Done],
    );
    let commit = warden.commit(session()).await;
    assert!(matches!(
        commit,
        Err(WardenError::Unexpected { request: "commit" })
    ));
    let thaw = warden.thaw(session()).await;
    assert!(matches!(
        thaw,
        Err(WardenError::Unexpected { request: "thaw" })
    ));
    warden.freeze(session()).await.unwrap();
}

#[tokio::test]
async fn notices_come_with_their_descriptors_and_questions_fail_once_the_warden_is_gone() {
    let (warden, mut notices, peer, _group) = pair();
    let file = sys::fds::memory_file(c"x", b"x").unwrap();
    let notice = Notice::Exited(session(), ProcessId(1), ExitRecord::exited(0));
    peer.send(&Tell::Notice(notice), &[file.as_fd()]).unwrap();
    let (notice, fds) = notices.recv().await.unwrap();
    assert!(matches!(notice, Notice::Exited(..)));
    assert_eq!(fds.len(), 1);
    let gone = tokio::join!(warden.freeze(session()), async move { drop(peer) }).0;
    assert!(gone.is_err());
    assert!(notices.recv().await.is_none());
    assert!(matches!(
        warden.freeze(session()).await,
        Err(WardenError::Gone)
    ));
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_counts_as_gone() {
    let (warden, mut notices, peer, _group) = pair();
    peer.socket().send(&[0xff; 40], &[]).unwrap();
    assert!(notices.recv().await.is_none());
    assert!(matches!(
        warden.freeze(session()).await,
        Err(WardenError::Gone)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_ends_in_time_and_leaves_nothing_behind() {
    let (warden, _notices, peer, _group) = pair();
    let late = warden.freeze(session()).await;
    assert!(matches!(
        late,
        Err(WardenError::Timeout {
            request: "freeze",
            seconds: 15
        })
    ));
    assert!(warden.link.table().as_ref().unwrap().is_empty());
    drop(peer);
}
