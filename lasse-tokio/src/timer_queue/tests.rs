use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use tokio::runtime::Builder;
use tokio::time::sleep;

use super::*;

/// A waker that counts.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that waits in a queue.
struct Task {
    timer: Timer,
    wakes: Arc<Wakes>,
}

impl Task {
    fn new(queue: &TimerQueue) -> Self {
        Self { timer: queue.timer(), wakes: Arc::default() }
    }

    fn wait_until(&mut self, time: Instant) {
        let waker = self.wakes.clone().into();
        let polled = self.timer.poll_until(time, &mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }

    fn wait_for(&mut self, delay: Duration) {
        self.wait_until(now() + delay);
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

/// How many times are in the queue, and how many slots.
fn queued(queue: &TimerQueue) -> (usize, usize) {
    queue.0.lock().queued()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(start_paused = true)]
async fn each_task_is_woken_once_at_its_own_time() {
    let queue = TimerQueue::new();
    let (mut early, mut late) = (Task::new(&queue), Task::new(&queue));
    late.wait_for(secs(30));
    early.wait_for(secs(15));
    sleep(secs(14)).await;
    assert_eq!((early.wakes(), late.wakes()), (0, 0));
    sleep(secs(2)).await;
    assert_eq!((early.wakes(), late.wakes()), (1, 0));
    sleep(secs(60)).await;
    assert_eq!((early.wakes(), late.wakes()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_later_deadline_wakes_once_too_early_and_an_earlier_one_in_time() {
    let queue = TimerQueue::new();
    let (mut later, mut earlier) = (Task::new(&queue), Task::new(&queue));
    later.wait_for(secs(15));
    later.wait_for(secs(60));
    earlier.wait_for(secs(60));
    earlier.wait_for(secs(15));
    sleep(secs(16)).await;
    assert_eq!((later.wakes(), earlier.wakes()), (1, 1));
    later.wait_for(secs(44));
    sleep(secs(60)).await;
    assert_eq!((later.wakes(), earlier.wakes()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_moves_forth_and_back_is_queued_once() {
    let queue = TimerQueue::new();
    let mut task = Task::new(&queue);
    for _ in 0..60_000 {
        task.wait_for(secs(600));
        task.wait_for(Duration::from_millis(5));
        assert_eq!(queued(&queue), (1, 1));
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(task.wakes(), 60_000);
    assert_eq!(queued(&queue), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn tasks_leave_the_queue_from_any_place_in_it() {
    let queue = TimerQueue::new();
    for leaver in 0..3 {
        let mut tasks: Vec<Task> = (0..3).map(|_| Task::new(&queue)).collect();
        let time = now() + secs(15);
        tasks.iter_mut().for_each(|task| task.wait_until(time));
        assert_eq!(queued(&queue), (1, 3));
        tasks[leaver].wait_for(secs(5));
        assert_eq!(queued(&queue), (2, 3));
        sleep(secs(6)).await;
        let wakes: Vec<usize> = tasks.iter().map(Task::wakes).collect();
        assert_eq!((wakes[leaver], wakes.iter().sum()), (1, 1));
        drop(tasks.remove(leaver));
        assert_eq!(queued(&queue), (1, 2));
        sleep(secs(10)).await;
        assert!(tasks.iter().all(|task| task.wakes() == 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_timer_wakes_nothing_and_leaves_nothing() {
    let queue = TimerQueue::new();
    let mut task = Task::new(&queue);
    task.wait_for(secs(15));
    task.timer.stop();
    queue.wake_all();
    sleep(secs(16)).await;
    assert_eq!(task.wakes(), 0);
    assert_eq!(queue.0.lock().len(), 0);
    assert_eq!(queued(&queue), (0, 0));
    assert!(!queue.0.schedule.is_running());
}

#[tokio::test(start_paused = true)]
async fn tasks_with_nearly_the_same_time_are_woken_together() {
    let queue = TimerQueue::new();
    let mut tasks: Vec<Task> = (0..1000).map(|_| Task::new(&queue)).collect();
    for (nth, task) in (0..).zip(&mut tasks) {
        task.wait_for(secs(15) + Duration::from_micros(nth));
    }
    assert!(queued(&queue).0 <= 2);
    sleep(secs(15) + Duration::from_millis(15)).await;
    assert!(tasks.iter().all(|task| task.wakes() == 1));
}

#[tokio::test(start_paused = true)]
async fn times_from_now_to_the_end_of_the_clock_can_be_waited_for() {
    let queue = TimerQueue::new();
    let mut task = Task::new(&queue);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(task.timer.poll_until(now(), &mut cx).is_ready());
    assert!(task.timer.poll_until(Instant::from_nanos(0), &mut cx).is_ready());
    task.wait_for(Duration::MAX);
    assert_eq!(queued(&queue), (0, 0), "the end of the clock never comes");
    task.wait_for(secs(100 * 365 * 86_400));
    assert_eq!(queued(&queue), (1, 1));
    sleep(secs(1)).await;
    assert_eq!(task.wakes(), 0);
    task.wait_for(Duration::from_nanos(1));
    sleep(secs(1)).await;
    assert_eq!(task.wakes(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_keeps_no_other_task_asleep() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("as ordered"));
        }
    }
    let queue = TimerQueue::new();
    let mut tasks: Vec<Task> = (0..3).map(|_| Task::new(&queue)).collect();
    let mut broken = queue.timer();
    let time = now() + secs(15);
    for (nth, task) in tasks.iter_mut().enumerate() {
        task.wait_until(time);
        if nth == 0 {
            let waker = Arc::new(Panics).into();
            let _ = broken.poll_until(time, &mut Context::from_waker(&waker));
        }
    }
    sleep(secs(16)).await;
    assert!(tasks.iter().all(|task| task.wakes() == 1));
    queue.wake_all();
    assert!(tasks.iter().all(|task| task.wakes() == 2));
    tasks[0].wait_for(secs(15));
    sleep(secs(16)).await;
    assert_eq!(tasks[0].wakes(), 3, "the queue goes on");
}

#[test]
fn tasks_are_woken_when_the_runtime_of_their_timer_task_stops_and_another_takes_over() {
    let queue = TimerQueue::new();
    let (mut task, mut other) = (Task::new(&queue), Task::new(&queue));
    let runtime = || Builder::new_current_thread().enable_time().start_paused(true).build();
    let first = runtime().unwrap();
    first.block_on(async {
        task.wait_for(secs(15));
        other.wait_for(secs(30));
    });
    drop(first);
    assert_eq!((task.wakes(), other.wakes()), (1, 1));
    runtime().unwrap().block_on(async {
        task.wait_for(secs(60));
        sleep(secs(61)).await;
    });
    assert_eq!((task.wakes(), other.wakes()), (2, 2), "one timer task is for all entries");
}
