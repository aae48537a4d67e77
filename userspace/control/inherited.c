#include "userspace/control/inherited.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/control/upgrade_protocol.h"

enum { GIVEN_WITHIN_S = 10, YOURS_WITHIN_MS = 10000 };

struct inherited {
	int socket;
	struct listen_table *table;
	int admin;
	int maps[UPGRADE_FDS_MAX];
	uint32_t map_count;
	bool is_turn, is_ours;
	struct inherited_hooks hooks;
	struct watch watch;
	struct timer deadline;
};

/* --- at start ---------------------------------------------------------------------------- */

/* -1 where the variable is absent; it is removed, so that it is nobody else's. */
static int socket_from_environment(void)
{
	const char *text = getenv(UPGRADE_ENV);
	struct timeval patience = { .tv_sec = GIVEN_WITHIN_S };
	char *end;
	long fd;

	if (!text)
		return -1;
	fd = strtol(text, &end, 10);
	if (end == text || *end || fd < 3 || fd > INT32_MAX)
		fd = -1;
	unsetenv(UPGRADE_ENV);
	if (fd >= 0 &&
	    (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0 ||
	     setsockopt((int)fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0))
		return -1;
	return (int)fd;
}

static void close_all(const int *fds, uint32_t count)
{
	while (count > 0)
		close(fds[--count]);
}

/* False where the message has no place here. Takes the descriptors over. */
static bool take(struct inherited *in, const struct upgrade_message *m, const int *fds,
		 uint32_t count)
{
	if (!in->table) {
		bool hello = m->kind == UPGRADE_HELLO && m->count >= 1 && m->count <= WORKERS_MAX;

		if (hello)
			in->table = listen_table_create(m->count);
		close_all(fds, count);
		return hello;
	}
	if (m->kind == UPGRADE_LISTENER && listen_table_inherit(in->table, &m->address, fds, count))
		return true;
	if (m->kind == UPGRADE_ADMIN && count <= 1 && in->admin < 0) {
		in->admin = count ? fds[0] : -1;
		return true;
	}
	if (m->kind == UPGRADE_MAPS && in->map_count == 0) {
		memcpy(in->maps, fds, count * sizeof(int));
		in->map_count = count;
		return true;
	}
	close_all(fds, count);
	return m->kind == UPGRADE_ALL && m->count == in->table->count;
}

static bool take_all(struct inherited *in, struct err *err)
{
	struct upgrade_message m = { .kind = 0 };
	int fds[UPGRADE_FDS_MAX];
	uint32_t count = 0;

	while (m.kind != UPGRADE_ALL) {
		switch (upgrade_message_receive(in->socket, &m, fds, &count, err)) {
		case UPGRADE_NOTHING:
			return err_set(err, "the old shuntd gave nothing for %d s", GIVEN_WITHIN_S);
		case UPGRADE_END:
			return err_set(err, "the old shuntd ended the upgrade");
		case UPGRADE_WRONG:
			return false;
		case UPGRADE_GOT:
			break;
		}
		if (!take(in, &m, fds, count))
			return err_set(err, "the old shuntd gave what was not expected (kind %u)",
				       m.kind);
	}
	return true;
}

bool inherited_receive(struct inherited **out_inherited, struct err *err)
{
	struct inherited *in;
	int socket = socket_from_environment();

	*out_inherited = NULL;
	if (socket < 0)
		return true;
	in = must_alloc(sizeof(*in));
	in->socket = socket;
	in->admin = -1;
	if (!take_all(in, err)) {
		inherited_destroy(in); /* what came is closed with the process, which ends now */
		return false;
	}
	*out_inherited = in;
	return true;
}

const struct listen_table *inherited_table(const struct inherited *in)
{
	return in ? in->table : NULL;
}

int inherited_admin(const struct inherited *in)
{
	return in ? in->admin : -1;
}

uint32_t inherited_maps(const struct inherited *in, const int **out_maps)
{
	*out_maps = in ? in->maps : NULL;
	return in ? in->map_count : 0;
}

/* --- when everything is open ------------------------------------------------------------- */

static void turn(struct inherited *in)
{
	if (in->is_turn)
		return;
	in->is_turn = true;
	timer_stop(&in->deadline);
	in->hooks.on_turn(in->hooks.context);
}

static void own(struct inherited *in)
{
	turn(in);
	if (in->is_ours)
		return;
	in->is_ours = true;
	in->hooks.on_yours(in->hooks.context);
}

static void on_socket(void *context, int events)
{
	struct inherited *in = context;
	struct upgrade_message m;
	int fds[UPGRADE_FDS_MAX];
	uint32_t count;
	struct err err;

	(void)events;
	switch (upgrade_message_receive(in->socket, &m, fds, &count, &err)) {
	case UPGRADE_NOTHING:
		return;
	case UPGRADE_GOT:
		close_all(fds, count);
		if (m.kind == UPGRADE_YOURS)
			own(in);
		return;
	case UPGRADE_END:
	case UPGRADE_WRONG:
		break;
	}
	watch_set(&in->watch, 0);
	own(in);
	in->hooks.on_gone(in->hooks.context);
}

/* Two that accept are better than none; two that splice are not. */
static void on_deadline(void *context)
{
	struct inherited *in = context;

	log_line(LOG_WARNING, "the old shuntd did not say that it lets go; going on without that");
	turn(in);
}

bool inherited_ready(struct inherited *in, struct loop *loop, const struct listen_table *table,
		     const struct inherited_hooks *hooks, struct err *err)
{
	struct upgrade_message m = { .kind = UPGRADE_READY };

	in->hooks = *hooks;
	for (uint32_t i = 0; i < in->table->count; i++)
		if (listen_table_has(table, &in->table->places[i].address))
			m.taken[i / 8] |= (uint8_t)(1u << (i % 8));
	if (upgrade_message_send(in->socket, &m, NULL, 0) != UPGRADE_SENT)
		return err_set(err, "the old shuntd ended the upgrade");
	fcntl(in->socket, F_SETFL, O_NONBLOCK);
	watch_init(&in->watch, loop, in->socket, on_socket, in);
	watch_set(&in->watch, WATCH_READ);
	timer_init(&in->deadline, loop, on_deadline, in);
	timer_start(&in->deadline, YOURS_WITHIN_MS);
	return true;
}

void inherited_destroy(struct inherited *in)
{
	if (!in)
		return;
	watch_fini(&in->watch);
	timer_stop(&in->deadline);
	listen_table_free(in->table);
	free(in);
}
