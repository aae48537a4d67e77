#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/base/log.h"

static char text[8192];
static int saved;

/* Standard error goes into a pipe until said_end(). */
static void said_begin(void)
{
	int ends[2];

	CHECK_INT(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	dup2(ends[0], 100);
	close(ends[0]);
}

static const char *said_end(void)
{
	ssize_t n = read(100, text, sizeof(text) - 1);

	dup2(saved, STDERR_FILENO);
	close(saved);
	close(100);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

TEST(a_line_is_said_where_its_level_is_shown)
{
	said_begin();
	log_set_level(LOG_WARNING);
	log_line(LOG_NOTICE, "no");
	log_line(LOG_WARNING, "yes %d", 1);
	log_set_level(LOG_DEBUG);
	log_line(LOG_DEBUG, "and this");
	log_set_level(LOG_INFO);
	CHECK_STR(said_end(), "warning: yes 1\ndebug: and this\n");
}

TEST(what_a_peer_said_ends_no_line_and_moves_no_cursor)
{
	said_begin();
	log_line(LOG_ERROR, "%s", "a\nerror: b\x1b[2J\r");
	CHECK_STR(said_end(), "error: a error: b [2J \n");
}

TEST(a_reader_that_sleeps_costs_lines_and_no_time)
{
	char fill[4096];
	uint64_t before = log_lost();

	memset(fill, 'x', sizeof(fill));
	said_begin();
	while (write(STDERR_FILENO, fill, sizeof(fill)) > 0)
		;
	log_line(LOG_ERROR, "nobody hears this");
	said_end();
	CHECK_INT(log_lost(), before + 1);
}

TEST(beyond_a_burst_lines_are_counted_and_told_of_once)
{
	static struct log_place place;
	int said = 0;

	said_begin();
	for (int i = 0; i < 20; i++)
		said += log_may(&place, LOG_ERROR, "it burns at %s", 1000);
	CHECK_INT(said, LOG_BURST);
	CHECK(!log_may(&place, LOG_ERROR, "it burns at %s", 1000 + LOG_WINDOW_MS - 1));
	CHECK(log_may(&place, LOG_ERROR, "it burns at %s", 1000 + LOG_WINDOW_MS));
	log_say_suppressed(true);
	CHECK_STR(said_end(), "warning: 16 more suppressed of: it burns at ...\n");
}

TEST(what_was_suppressed_is_told_of_though_nothing_follows)
{
	static struct log_place place, hidden;

	said_begin();
	for (int i = 0; i < LOG_BURST + 2; i++)
		log_may(&place, LOG_ERROR, "x", log_now_ms());
	log_may(&hidden, LOG_DEBUG, "y", log_now_ms());
	log_say_suppressed(false);
	CHECK_STR(said_end(), "");
	said_begin();
	log_say_suppressed(true);
	log_say_suppressed(true);
	CHECK_STR(said_end(), "warning: 2 more suppressed of: x\n");
}

TEST(the_macro_says_a_burst_and_no_more)
{
	int lines = 0;

	said_begin();
	for (int i = 0; i < 50; i++)
		LOG_OFTEN(LOG_ERROR, "number %d", i);
	for (const char *at = said_end(); (at = strchr(at, '\n')); at++)
		lines++;
	CHECK_INT(lines, LOG_BURST);
}
