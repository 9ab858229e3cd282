/* SPDX-License-Identifier: MIT */
/*
 * stream [-p PASSES] [-k KILLS] [DIR]: a real file tree through one named
 * queue, while senders and receivers are killed and replaced.
 *
 * The tree is the history of the git repository that DIR, or the working
 * directory, is in, or the files below it. It goes again and again, for about
 * three seconds or PASSES times. In each pass KILLS senders and as many
 * receivers get SIGKILL at random moments. At the end every object's SHA-256
 * must match, and each record that came twice must have a death to explain it.
 * The environment variable SHMQ_SEED repeats the choice of moments.
 */
#include "check.h"
#include "delivery.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS (DELIVERY_SENDERS + DELIVERY_RECEIVERS)
#define PASS_BYTES (64u << 20) /* a pass repeats a small tree up to this */
#define PASS_COPIES 2000
#define QUEUE_BYTES (256u << 10)
#define ENOUGH_NS 2500000000ull
#define STALL_NS 20000000000ull
#define LOOK_NS 100000

struct totals {
	uint64_t passes, records, bytes, ns;
	uint64_t killed_senders, killed_receivers;
	uint64_t redelivered, sent_again, unexplained;
	uint64_t out_of_order, wrong, lost;
	uint64_t objects, matching;
};

static char queue_name[64];
static pid_t main_process;
static pid_t workers[WORKERS]; /* senders first; 0: none or gone */
static volatile sig_atomic_t interrupted;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void nap(uint64_t ns)
{
	struct timespec t = { 0, (long)ns };

	nanosleep(&t, NULL);
}

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* However this program ends, nothing stays behind. */
static void clean_up(void)
{
	if (getpid() != main_process)
		return;
	for (int i = 0; i < WORKERS; i++)
		if (workers[i])
			kill(workers[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	shmq_unlink(queue_name);
}

static void give_up(const char *why)
{
	fprintf(stderr, "stream: %s\n", why);
	exit(EXIT_FAILURE);
}

static void start(struct delivery *d, int i)
{
	pid_t pid = check_errno(fork(), "fork");

	if (!pid && i < DELIVERY_SENDERS)
		delivery_send(d, i);
	else if (!pid)
		delivery_receive(d);
	workers[i] = pid;
}

static void check_status(int i, int status)
{
	const char *role = i < DELIVERY_SENDERS ? "sender" : "receiver";

	workers[i] = 0;
	if (WIFSIGNALED(status))
		fprintf(stderr, "stream: a %s died: %s\n", role,
			strsignal(WTERMSIG(status)));
	if (status)
		give_up("which should not have happened");
}

/* Note who has ended by himself, as senders do that have sent all. */
static void reap(void)
{
	int status;

	for (int i = 0; i < WORKERS; i++)
		if (workers[i] && waitpid(workers[i], &status, WNOHANG) > 0)
			check_status(i, status);
	if (interrupted)
		give_up("interrupted");
}

/* Wait until so many records are there and so many objects complete. */
static void wait_for(const struct delivery *d, uint64_t records,
		     unsigned objects)
{
	uint64_t seen = 0, arrived, since_ns = now_ns();

	for (;;) {
		reap();
		arrived = delivery_arrived(d);
		if (arrived >= records && delivery_complete(d) >= objects)
			return;
		if (arrived != seen)
			since_ns = now_ns();
		seen = arrived;
		if (now_ns() - since_ns > STALL_NS) {
			fprintf(stderr,
				"stream: %" PRIu64 " of %" PRIu64
				" records are missing\n",
				d->records - arrived, d->records);
			give_up("nothing has arrived for 20 s");
		}
		nap(LOOK_NS);
	}
}

/*
 * Kill one that is at work, if any is, and put another in its place. Returns
 * how many were killed.
 */
static unsigned replace_one(struct delivery *d, int first, int count)
{
	int i, status, begin = random() % count;
	uint64_t next;

	for (int k = 0; k < count; k++) {
		i = first + (begin + k) % count;
		if (!workers[i])
			continue;
		kill(workers[i], SIGKILL);
		waitpid(workers[i], &status, 0);
		if (WIFEXITED(status)) { /* it had just sent its last record */
			check_status(i, status);
			continue;
		}
		if (i < DELIVERY_SENDERS) {
			next = d->shared->next[i];
			if (next < d->records)
				d->resumed[next]++;
		}
		start(d, i);
		return 1;
	}
	return 0;
}

/* At moments that are random in how much has arrived, and a little in time. */
static void kill_some(struct delivery *d, unsigned kills, struct totals *t)
{
	uint64_t share = d->records / (kills + 1);

	for (unsigned k = 0; k < kills; k++) {
		wait_for(d, share * k + random() % (share + 1), 0);
		nap(random() % 200000);
		t->killed_senders += replace_one(d, 0, DELIVERY_SENDERS);
		nap(random() % 200000);
		t->killed_receivers += replace_one(d, DELIVERY_SENDERS,
						   DELIVERY_RECEIVERS);
	}
}

static void wait_for_the_end(int first, int count)
{
	uint64_t since_ns = now_ns();

	for (int i = first; i < first + count; i++) {
		while (workers[i]) {
			reap();
			if (now_ns() - since_ns > STALL_NS)
				give_up("a worker does not come to its end");
			nap(LOOK_NS);
		}
	}
}

static void account(const struct delivery *d, struct totals *t)
{
	const struct tree *tree = d->tree;
	unsigned extra, explained;

	t->passes++;
	t->records += d->records;
	t->bytes += d->bytes;
	t->lost += d->records - delivery_arrived(d);
	t->redelivered += d->shared->redelivered;
	t->out_of_order += d->shared->out_of_order;
	t->wrong += d->shared->wrong;
	for (uint64_t n = 0; n < d->records; n++) {
		extra = d->plain[n] > 1 ? d->plain[n] - 1 : 0;
		explained = extra < d->resumed[n] ? extra : d->resumed[n];
		t->sent_again += explained;
		t->unexplained += extra - explained;
	}
	t->objects += d->objects;
	for (unsigned i = 0; i < d->objects; i++)
		if (d->digested[i] &&
		    !memcmp(d->digest[i], tree->objects[i % tree->count].digest,
			    TREE_DIGEST_BYTES))
			t->matching++;
}

static void run_pass(const struct tree *tree, unsigned copies, unsigned kills,
		     struct totals *t)
{
	struct shmq_attr attr = SHMQ_ATTR_INIT;
	struct shmq *queue;
	struct delivery d;
	uint64_t begin_ns;

	delivery_init(&d, queue_name, tree, copies);
	attr.capacity = QUEUE_BYTES;
	check(shmq_open(&queue, queue_name, SHMQ_CREATE | SHMQ_EXCL, 0600,
			&attr),
	      "create the queue");
	begin_ns = now_ns();
	for (int i = 0; i < WORKERS; i++)
		start(&d, i);
	kill_some(&d, kills, t);
	wait_for(&d, d.records, d.objects);
	t->ns += now_ns() - begin_ns;
	wait_for_the_end(0, DELIVERY_SENDERS);
	/* Receivers take what is left, and then find the queue removed. */
	check(shmq_unlink(queue_name), "remove the queue");
	wait_for_the_end(DELIVERY_SENDERS, DELIVERY_RECEIVERS);
	shmq_close(queue);
	account(&d, t);
	delivery_fini(&d);
}

static int report(const struct totals *t)
{
	double s = t->ns / 1e9;
	uint64_t most = t->killed_receivers * DELIVERY_BORROW;
	int good = !t->lost && !t->unexplained && !t->out_of_order &&
		   !t->wrong && t->redelivered <= most &&
		   t->matching == t->objects;

	printf("  records       %" PRIu64 " in %" PRIu64 " passes\n"
	       "  data          %.1f MiB in %.2f s: %.0f records/s, %.0f MiB/s "
	       "with SHA-256\n"
	       "  killed        %" PRIu64 " senders, %" PRIu64 " receivers, "
	       "each replaced\n",
	       t->records, t->passes, t->bytes / 1048576.0, s, t->records / s,
	       t->bytes / 1048576.0 / s, t->killed_senders,
	       t->killed_receivers);
	printf("  redelivered   %" PRIu64 ", flagged: held by a receiver that "
	       "died (at most %" PRIu64 ")\n"
	       "  sent again    %" PRIu64
	       ": a sender died before it noted what "
	       "it had sent\n"
	       "  came twice    %" PRIu64 " without a death to explain it\n",
	       t->redelivered, most, t->sent_again, t->unexplained);
	printf("  out of order  %" PRIu64 "\n"
	       "  damaged       %" PRIu64 "\n"
	       "  lost          %" PRIu64 "\n"
	       "  checksums     %" PRIu64 " of %" PRIu64 " SHA-256 match\n",
	       t->out_of_order, t->wrong, t->lost, t->matching, t->objects);
	printf("%s\n", good ? "nothing lost" : "FAILED");
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static unsigned seed_of_run(void)
{
	const char *text = getenv("SHMQ_SEED");

	return text ? strtoul(text, NULL, 0) : now_ns() / 1000 % 1000000;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = interrupt };
	unsigned passes = 0, kills = 4, copies, seed = seed_of_run();
	struct totals totals = { 0 };
	struct tree tree;
	int option;

	while ((option = getopt(argc, argv, "p:k:")) != -1) {
		if (option == 'p')
			passes = strtoul(optarg, NULL, 10);
		else if (option == 'k')
			kills = strtoul(optarg, NULL, 10);
		else
			return EXIT_FAILURE;
	}
	srandom(seed);
	tree_read(&tree, optind < argc ? argv[optind] : ".");
	if (!tree.count)
		give_up("there is nothing to send");
	copies = tree.bytes < PASS_BYTES / PASS_COPIES ?
			 PASS_COPIES :
			 PASS_BYTES / tree.bytes;
	printf("stream: %u %s, %.1f MiB%s; %d senders, %d receivers; seed %u\n",
	       tree.count, tree.kind, tree.bytes / 1048576.0,
	       tree.truncated ? " (the beginning of it)" : "", DELIVERY_SENDERS,
	       DELIVERY_RECEIVERS, seed);
	fflush(stdout);

	main_process = getpid();
	snprintf(queue_name, sizeof(queue_name), "shmq-demo-stream-%d",
		 main_process);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	atexit(clean_up);
	do {
		run_pass(&tree, copies, kills, &totals);
	} while (passes ? totals.passes < passes : totals.ns < ENOUGH_NS);
	tree_free(&tree);
	return report(&totals);
}
