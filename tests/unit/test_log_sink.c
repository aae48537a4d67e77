#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/base/clock.h"
#include "userspace/base/log_sink.h"

enum { PATIENCE_MS = 90000 };

static char dir[64], path[96];

static void folder_make(void)
{
	strcpy(dir, "/tmp/test_log_sink.XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/log", dir);
}

static void folder_remove(void)
{
	unlink(path);
	rmdir(dir);
}

static struct log_sink *sink_at(const char *where, struct line_ring **out_ring)
{
	struct log_sink *sink = log_sink_create();
	struct err err = { "" };

	if (!log_sink_use(sink, where, &err) || !log_sink_start(sink, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	*out_ring = log_sink_take_ring(sink);
	return sink;
}

static bool say(struct log_sink *sink, struct line_ring *ring, const char *line)
{
	char *at = line_ring_begin(ring);

	if (!at)
		return false;
	memcpy(at, line, strlen(line));
	line_ring_end(ring, (uint32_t)strlen(line));
	log_sink_wake(sink, ring);
	return true;
}

/* "NUMBER xxxx...\n" of that many bytes. */
static bool say_numbered(struct log_sink *sink, struct line_ring *ring, int n, int bytes)
{
	char line[LINE_BYTES_MAX + 1];

	memset(line, 'x', sizeof(line));
	line[snprintf(line, 16, "%08d", n)] = ' ';
	strcpy(line + bytes - 1, "\n");
	return say(sink, ring, line);
}

static bool file_has(const char *file, const char *want)
{
	char got[1024] = "";
	int fd = open(file, O_RDONLY);

	if (fd < 0)
		return false;
	if (read(fd, got, sizeof(got) - 1) < 0)
		got[0] = '\0';
	close(fd);
	return strcmp(got, want) == 0;
}

static void wait_file(const char *file, const char *want)
{
	uint64_t until = clock_monotonic_ms() + PATIENCE_MS;

	while (!file_has(file, want)) {
		if (clock_monotonic_ms() > until)
			test_fail(__FILE__, __LINE__, "%s never held \"%s\"", file, want);
		poll(NULL, 0, 1);
	}
}

TEST(lines_of_two_writers_come_whole_and_in_the_order_of_each)
{
	enum { LINES = 2000 };
	struct line_ring *rings[2];
	struct log_sink *sink;
	char line[128];
	int seen[2] = { 0, 0 };
	FILE *file;

	folder_make();
	sink = sink_at(path, &rings[0]);
	rings[1] = log_sink_take_ring(sink);
	CHECK(rings[0] != rings[1]);
	for (int i = 0; i < 2 * LINES; i++) {
		snprintf(line, sizeof(line), "%d %d\n", i % 2, i / 2);
		while (!say(sink, rings[i % 2], line))
			poll(NULL, 0, 1);
	}
	log_sink_destroy(sink);
	file = fopen(path, "r");
	while (fgets(line, sizeof(line), file)) {
		int who = line[0] - '0';

		CHECK(who == 0 || who == 1);
		CHECK_INT(atoi(line + 2), seen[who]++);
	}
	fclose(file);
	folder_remove();
	CHECK_INT(seen[0], LINES);
	CHECK_INT(seen[1], LINES);
}

TEST(after_a_rotation_lines_go_to_the_new_file)
{
	struct line_ring *ring;
	struct log_sink *sink;
	struct err err;
	char old[128];

	folder_make();
	snprintf(old, sizeof(old), "%s.1", path);
	sink = sink_at(path, &ring);
	CHECK(say(sink, ring, "one\n"));
	wait_file(path, "one\n");
	CHECK_INT(rename(path, old), 0);
	CHECK(log_sink_use(sink, path, &err));
	wait_file(path, "");
	CHECK(say(sink, ring, "two\n"));
	wait_file(path, "two\n");
	CHECK(file_has(old, "one\n"));
	CHECK(!log_sink_use(sink, "/nowhere/log", &err));
	CHECK_STR(err.text, "cannot open the access log /nowhere/log: No such file or directory");
	CHECK(say(sink, ring, "three\n"));
	CHECK_INT(log_sink_lost(sink), 0);
	log_sink_destroy(sink);
	CHECK(file_has(path, "two\nthree\n"));
	unlink(old);
	folder_remove();
}

/* Reads numbered lines from fd until want of them are there; they must follow each other. */
static int read_numbered(int fd, int want)
{
	static char bytes[1 << 20];
	size_t len = 0;
	int got = 0;

	while (got < want) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n;

		CHECK_INT(poll(&ready, 1, PATIENCE_MS), 1);
		n = read(fd, bytes + len, sizeof(bytes) - len);
		CHECK(n > 0);
		len += (size_t)n;
		for (char *end; (end = memchr(bytes, '\n', len));) {
			CHECK_INT(atoi(bytes), got++);
			len -= (size_t)(end + 1 - bytes);
			memmove(bytes, end + 1, len);
		}
	}
	return got;
}

TEST(a_full_pipe_holds_nobody_up_and_what_has_no_room_is_counted)
{
	struct line_ring *ring;
	struct log_sink *sink;
	int fd, said = 0, refused = 0;

	folder_make();
	CHECK_INT(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC); /* nobody reads yet */
	sink = sink_at(path, &ring);
	while (refused < 100) /* ends although nothing is read: the ring is bounded */
		if (say_numbered(sink, ring, said, 1000))
			said++;
		else
			refused++;
	CHECK(said > 200); /* the ring, and what the pipe took */
	CHECK_INT(log_sink_lost(sink), refused);
	CHECK_INT(read_numbered(fd, said), said);
	CHECK(say_numbered(sink, ring, 0, 100)); /* it goes on */
	CHECK_INT(read_numbered(fd, 1), 1);
	log_sink_destroy(sink);
	close(fd);
	folder_remove();
}

TEST(a_pipe_that_nobody_reads_does_not_keep_the_end_from_coming)
{
	struct line_ring *ring;
	struct log_sink *sink;
	int fd;

	folder_make();
	CHECK_INT(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fcntl(fd, F_SETPIPE_SZ, 4096) > 0);
	sink = sink_at(path, &ring);
	for (int i = 0; i < 200; i++)
		CHECK(say_numbered(sink, ring, i, 1000));
	log_sink_destroy(sink); /* returns */
	/* How many fit depends on how they were put together: behind one, four more do not. */
	CHECK(read_numbered(fd, 1) >= 1);
	close(fd);
	folder_remove();
}

static int syslog_listen(const char *at)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, at);
	CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void expect_datagram(int fd, const char *want)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char got[512], *text;
	ssize_t n;

	CHECK_INT(poll(&ready, 1, PATIENCE_MS), 1);
	n = recv(fd, got, sizeof(got) - 1, 0);
	CHECK(n > 0);
	got[n] = '\0';
	CHECK(strncmp(got, "<134>", 5) == 0);
	text = strstr(got, " shuntd[");
	CHECK(text && text - got == 5 + 15); /* "Nov  1 02:03:04" */
	text = strstr(text, "]: ");
	CHECK(text != NULL);
	CHECK_STR(text + 3, want);
}

TEST(a_syslog_that_dies_and_comes_back_gets_what_was_kept)
{
	struct line_ring *ring;
	struct log_sink *sink;
	char where[128];
	int fd;

	folder_make();
	snprintf(where, sizeof(where), "syslog:%s", path);
	fd = syslog_listen(path);
	sink = sink_at(where, &ring);
	CHECK(say(sink, ring, "{\"a\":1}\n"));
	expect_datagram(fd, "{\"a\":1}");
	close(fd);
	unlink(path);
	CHECK(say(sink, ring, "{\"a\":2}\n"));
	CHECK(say(sink, ring, "{\"a\":3}\n"));
	fd = syslog_listen(path);
	expect_datagram(fd, "{\"a\":2}");
	expect_datagram(fd, "{\"a\":3}");
	CHECK_INT(log_sink_lost(sink), 0);
	close(fd);
	log_sink_destroy(sink);
	folder_remove();
}

TEST(a_syslog_that_does_not_read_costs_lines_and_no_time)
{
	struct line_ring *ring;
	struct log_sink *sink;
	char where[128];
	int fd, said = 0, refused = 0;

	folder_make();
	snprintf(where, sizeof(where), "syslog:%s", path);
	fd = syslog_listen(path);
	sink = sink_at(where, &ring);
	while (refused < 10)
		if (say(sink, ring, "{\"a\":\"0123456789012345678901234567890123456789\"}\n"))
			said++;
		else
			refused++;
	CHECK_INT(log_sink_lost(sink), 10);
	for (int i = 0; i < said; i++)
		expect_datagram(fd, "{\"a\":\"0123456789012345678901234567890123456789\"}");
	close(fd);
	log_sink_destroy(sink);
	folder_remove();
}

TEST(a_place_that_is_none_is_refused)
{
	struct log_sink *sink = log_sink_create();
	struct err err;

	CHECK(!log_sink_use(sink, "syslog:dev/log", &err));
	CHECK(strstr(err.text, "expected an absolute path") != NULL);
	CHECK(!log_sink_is_used(sink));
	CHECK(log_sink_use(sink, NULL, &err));
	log_sink_destroy(sink);
}

/* The kernel stops the file in the middle of a line, as a full disk does. */
TEST(a_line_that_was_cut_by_a_full_disk_is_finished_or_ends_its_file)
{
	struct rlimit before, small = { 2500, 2500 };
	struct line_ring *ring;
	struct log_sink *sink;
	struct err err;
	struct stat about = { 0 };
	char other[128];

	folder_make();
	snprintf(other, sizeof(other), "%s.2", path);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	sink = sink_at(path, &ring);
	for (int i = 0; i < 4; i++)
		CHECK(say_numbered(sink, ring, i, 1000));
	for (uint64_t until = clock_monotonic_ms() + PATIENCE_MS;
	     about.st_size < 2500 && clock_monotonic_ms() < until; poll(NULL, 0, 1))
		CHECK_INT(stat(path, &about), 0);
	CHECK_INT(about.st_size, 2500);
	CHECK(log_sink_use(sink, other, &err)); /* the half of the third is of no use there */
	log_sink_destroy(sink);
	setrlimit(RLIMIT_FSIZE, &before);
	CHECK_INT(stat(other, &about), 0);
	CHECK_INT(about.st_size, 1000);
	unlink(other);
	folder_remove();
}

struct race {
	struct log_sink *sink;
	struct line_ring *ring;
	int said;
};

static void *race_run(void *context)
{
	struct race *race = context;

	for (int i = 0; i < 20000; i++)
		race->said += say_numbered(race->sink, race->ring, i, 40 + i % 900);
	return NULL;
}

TEST(writers_on_threads_of_their_own_lose_what_is_counted_and_nothing_else)
{
	enum { WRITERS = 3 };
	struct race races[WRITERS];
	pthread_t threads[WRITERS];
	struct log_sink *sink;
	uint64_t lines = 0, said = 0, lost;
	static char line[LINE_BYTES_MAX + 2];
	FILE *file;

	folder_make();
	sink = sink_at(path, &races[0].ring);
	for (int i = 0; i < WRITERS; i++) {
		races[i] = (struct race){ sink, i ? log_sink_take_ring(sink) : races[0].ring, 0 };
		pthread_create(&threads[i], NULL, race_run, &races[i]);
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		said += (uint64_t)races[i].said;
	}
	lost = log_sink_lost(sink);
	log_sink_destroy(sink);
	file = fopen(path, "r");
	while (fgets(line, sizeof(line), file)) {
		int n = atoi(line);

		lines++;
		CHECK_INT(strlen(line), 40 + n % 900);
	}
	fclose(file);
	folder_remove();
	CHECK_INT(lines, said);
	CHECK_INT(said + lost, WRITERS * 20000);
}

TEST(a_ring_that_is_given_back_serves_another_writer)
{
	struct line_ring *ring, *again;
	struct log_sink *sink;

	folder_make();
	sink = sink_at(path, &ring);
	CHECK(say(sink, ring, "first\n"));
	log_sink_give_ring(sink, ring);
	again = log_sink_take_ring(sink);
	CHECK(again == ring);
	CHECK(say(sink, again, "second\n"));
	log_sink_destroy(sink);
	CHECK(file_has(path, "first\nsecond\n"));
	folder_remove();
}
