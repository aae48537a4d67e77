#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/control/watchdog.h"

struct trial {
	struct loop *loop;
	uint32_t looks, well_until;
};

static bool is_well(void *context)
{
	struct trial *t = context;

	if (++t->looks == 6)
		loop_stop(t->loop);
	return t->looks <= t->well_until;
}

/* The service manager's end; abstract, so that nothing stays behind. */
static int manager_open(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int len = snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "test_watchdog.%d",
			   (int)getpid());
	char name[sizeof(at.sun_path) + 1];

	CHECK(bind(fd, (struct sockaddr *)&at,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0);
	snprintf(name, sizeof(name), "@%s", at.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static uint32_t heard(int fd)
{
	char text[64];
	uint32_t n = 0;

	for (ssize_t len; (len = recv(fd, text, sizeof(text) - 1, 0)) > 0; n++) {
		text[len] = '\0';
		CHECK_STR(text, "WATCHDOG=1");
	}
	return n;
}

TEST(it_speaks_at_each_look_for_as_long_as_all_is_well)
{
	static const struct {
		const char *name;
		uint32_t well_until, want;
	} rows[] = { { "always well", 99, 6 }, { "ill from the fourth look on", 3, 3 } };

	FOR_ROWS (row, rows) {
		struct trial t = { .loop = loop_create(), .well_until = row->well_until };
		int fd = manager_open();
		struct watchdog *w;

		setenv("WATCHDOG_USEC", "20000", 1);
		w = watchdog_create(t.loop, is_well, &t);
		CHECK(w != NULL);
		loop_run(t.loop);
		CHECK_INT(heard(fd), row->want);
		watchdog_destroy(w);
		loop_destroy(t.loop);
		close(fd);
	}
}

TEST(nobody_is_told_who_did_not_ask_or_asked_another_process)
{
	struct trial t = { .loop = loop_create() };
	int fd = manager_open();

	unsetenv("WATCHDOG_USEC");
	CHECK(watchdog_create(t.loop, is_well, &t) == NULL);
	setenv("WATCHDOG_USEC", "nonsense", 1);
	CHECK(watchdog_create(t.loop, is_well, &t) == NULL);
	setenv("WATCHDOG_USEC", "20000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	CHECK(watchdog_create(t.loop, is_well, &t) == NULL);
	unsetenv("WATCHDOG_PID");
	unsetenv("NOTIFY_SOCKET");
	CHECK(watchdog_create(t.loop, is_well, &t) == NULL);
	CHECK_INT(t.looks, 0);
	loop_destroy(t.loop);
	close(fd);
}
