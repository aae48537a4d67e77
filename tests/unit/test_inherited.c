#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/harness/test.h"
#include "userspace/control/inherited.h"
#include "userspace/control/upgrade_protocol.h"

enum { MESSAGES = 8 };

/* A message: LISTENER's address has its count as port, and it has so many descriptors. */
struct said {
	uint16_t kind;
	uint32_t count, fds;
};

/* The old process's end, with all that it said in it; the variable leads to the other. */
static int say(const struct said *all)
{
	int ends[2], fds[UPGRADE_FDS_MAX];
	char text[16];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	for (int i = 0; i < UPGRADE_FDS_MAX; i++)
		fds[i] = ends[0];
	for (int i = 0; i < MESSAGES && all[i].kind; i++) {
		struct upgrade_message m = { .kind = all[i].kind, .count = all[i].count };

		m.address.port = (uint16_t)all[i].count;
		CHECK_INT(upgrade_message_send(ends[0], &m, fds, all[i].fds), UPGRADE_SENT);
	}
	snprintf(text, sizeof(text), "%d", ends[1]);
	setenv(UPGRADE_ENV, text, 1);
	shutdown(ends[0], SHUT_WR);
	return ends[0];
}

TEST(all_that_was_given_is_there)
{
	static const struct said all[MESSAGES] = {
		{ UPGRADE_HELLO, 3, 0 }, { UPGRADE_LISTENER, 80, 3 }, { UPGRADE_LISTENER, 443, 4 },
		{ UPGRADE_ADMIN, 0, 1 }, { UPGRADE_MAPS, 0, 5 },      { UPGRADE_ALL, 2, 0 },
	};
	struct inherited *in;
	const int *maps;
	struct err err;
	int old = say(all);

	CHECK(inherited_receive(&in, &err));
	CHECK(in && !getenv(UPGRADE_ENV));
	CHECK_INT(inherited_table(in)->workers, 3);
	CHECK_INT(inherited_table(in)->count, 2);
	CHECK_INT(inherited_table(in)->places[1].address.port, 443);
	CHECK_INT(inherited_table(in)->places[1].fd_count, 4);
	CHECK(inherited_admin(in) >= 0);
	CHECK_INT(inherited_maps(in, &maps), 5);
	inherited_destroy(in);
	close(old);
}

TEST(what_is_given_in_another_way_is_refused)
{
	static const struct {
		const char *name;
		struct said all[MESSAGES];
		const char *why;
	} rows[] = {
		{ "nothing", { { 0 } }, "ended the upgrade" },
		{ "an end in the middle",
		  { { UPGRADE_HELLO, 2, 0 }, { UPGRADE_LISTENER, 80, 2 } },
		  "ended the upgrade" },
		{ "no greeting", { { UPGRADE_LISTENER, 80, 2 } }, "not expected (kind 2)" },
		{ "no workers", { { UPGRADE_HELLO, 0, 0 } }, "not expected (kind 1)" },
		{ "more workers than anybody has",
		  { { UPGRADE_HELLO, WORKERS_MAX + 1, 0 } },
		  "not expected (kind 1)" },
		{ "two greetings",
		  { { UPGRADE_HELLO, 2, 0 }, { UPGRADE_HELLO, 2, 0 } },
		  "not expected (kind 1)" },
		{ "a place without a socket",
		  { { UPGRADE_HELLO, 2, 0 }, { UPGRADE_LISTENER, 80, 0 } },
		  "not expected (kind 2)" },
		{ "a place twice",
		  { { UPGRADE_HELLO, 2, 0 },
		    { UPGRADE_LISTENER, 80, 2 },
		    { UPGRADE_LISTENER, 80, 2 } },
		  "not expected (kind 2)" },
		{ "two admin sockets",
		  { { UPGRADE_HELLO, 2, 0 }, { UPGRADE_ADMIN, 0, 1 }, { UPGRADE_ADMIN, 0, 1 } },
		  "not expected (kind 3)" },
		{ "two admin sockets at once",
		  { { UPGRADE_HELLO, 2, 0 }, { UPGRADE_ADMIN, 0, 2 } },
		  "not expected (kind 3)" },
		{ "maps twice",
		  { { UPGRADE_HELLO, 2, 0 }, { UPGRADE_MAPS, 0, 3 }, { UPGRADE_MAPS, 0, 3 } },
		  "not expected (kind 4)" },
		{ "another number of places than it says",
		  { { UPGRADE_HELLO, 2, 0 }, { UPGRADE_LISTENER, 80, 2 }, { UPGRADE_ALL, 2, 0 } },
		  "not expected (kind 5)" },
		{ "it lets go too early",
		  { { UPGRADE_HELLO, 2, 0 }, { UPGRADE_YOURS, 0, 0 } },
		  "not expected (kind 7)" },
	};

	FOR_ROWS (row, rows) {
		struct inherited *in = (void *)1;
		struct err err = { "" };
		int old = say(row->all);

		CHECK(!inherited_receive(&in, &err));
		CHECK(in == NULL);
		if (!strstr(err.text, row->why))
			CHECK_STR(err.text, row->why);
		close(old);
	}
}

TEST(who_was_started_by_nobody_inherits_nothing)
{
	static const char *const absurd[] = { "", "x", "-1", "1", "7x", "99999", "99999999999999" };
	struct inherited *in = (void *)1;
	const int *maps;
	struct err err;

	unsetenv(UPGRADE_ENV);
	CHECK(inherited_receive(&in, &err));
	CHECK(in == NULL);
	for (size_t i = 0; i < sizeof(absurd) / sizeof(*absurd); i++) {
		in = (void *)1;
		setenv(UPGRADE_ENV, absurd[i], 1);
		CHECK(inherited_receive(&in, &err));
		CHECK(in == NULL);
		CHECK(!getenv(UPGRADE_ENV));
	}
	CHECK(inherited_table(NULL) == NULL);
	CHECK_INT(inherited_admin(NULL), -1);
	CHECK_INT(inherited_maps(NULL, &maps), 0);
}
