#include "userspace/control/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "userspace/base/must.h"
#include "userspace/control/privileges.h"
#include "userspace/control/upgrade_protocol.h"

extern char **environ;

enum upgrade_state {
	UPGRADE_IDLE,
	UPGRADE_GIVING,  /* messages go out */
	UPGRADE_WAITING, /* for READY */
	UPGRADE_LEAVING, /* READY came: the rest is ours to do */
};

struct upgrade {
	struct upgrade_options options;
	struct upgrade_goods goods;
	char program[PATH_MAX];
	enum upgrade_state state;
	pid_t pid;
	int socket; /* -1: none */
	struct watch watch;
	struct timer patience;
	uint32_t sent; /* messages */
};

/* --- the program ------------------------------------------------------------------------- */

static bool is_this_program(const char *path)
{
	struct stat there, self;

	return stat(path, &there) == 0 && stat("/proc/self/exe", &self) == 0 &&
	       there.st_dev == self.st_dev && there.st_ino == self.st_ino;
}

/* By the name that was called where that leads here: it may be a link that is put elsewhere. */
static void program_find(struct upgrade *u)
{
	const char *called = u->options.argv[0];
	char folder[PATH_MAX] = "";
	ssize_t n;

	if (strchr(called, '/') && (*called == '/' || getcwd(folder, sizeof(folder)))) {
		const char *slash = *called == '/' ? "" : "/";

		n = snprintf(u->program, sizeof(u->program), "%s%s%s", folder, slash, called);
		if (n > 0 && n < (ssize_t)sizeof(u->program) && is_this_program(u->program))
			return;
	}
	n = readlink("/proc/self/exe", u->program, sizeof(u->program) - 1);
	u->program[n > 0 ? n : 0] = '\0';
}

static bool is_variable(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* Ours, but for what is about this process. socket_text is borrowed. */
static char **environment_make(char *socket_text)
{
	size_t count = 0, kept = 0;
	char **made;

	while (environ[count])
		count++;
	made = must_alloc((count + 2) * sizeof(*made));
	for (size_t i = 0; i < count; i++)
		if (!is_variable(environ[i], UPGRADE_ENV) &&
		    !is_variable(environ[i], "WATCHDOG_PID"))
			made[kept++] = environ[i];
	made[kept] = socket_text;
	return made;
}

/* Everything else that is open is closed over exec; signals are as at our own start. */
static bool program_start(struct upgrade *u, int socket, struct err *err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	char text[32];
	char **environment;
	sigset_t none;
	int failed;

	snprintf(text, sizeof(text), UPGRADE_ENV "=%d", socket);
	environment = environment_make(text);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, socket, socket); /* stays open */
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&how, &none);
	privileges_pass_on(true);
	failed = posix_spawn(&u->pid, u->program, &files, &how, u->options.argv, environment);
	privileges_pass_on(false);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	free(environment);
	errno = failed;
	return !failed || err_sys(err, "cannot start %s", u->program);
}

/* --- what is said ------------------------------------------------------------------------ */

/* What became of the child; it is ended where it runs still. */
static void child_end(struct upgrade *u, char *out_text, size_t size)
{
	const char *when = u->state == UPGRADE_LEAVING ? "" : " before it was ready";
	int status = 0;

	watch_fini(&u->watch);
	timer_stop(&u->patience);
	close(u->socket);
	u->socket = -1;
	u->state = UPGRADE_IDLE;
	kill(u->pid, SIGKILL);
	if (waitpid(u->pid, &status, 0) != u->pid)
		snprintf(out_text, size, "was lost");
	else if (WIFEXITED(status))
		snprintf(out_text, size, "ended with status %d%s", WEXITSTATUS(status), when);
	else
		snprintf(out_text, size, "was ended by signal %d%s", WTERMSIG(status), when);
}

static void fail(struct upgrade *u, const char *instead)
{
	char text[64];

	child_end(u, text, sizeof(text));
	u->options.on_failed(u->options.context, instead ? instead : text);
}

/* The message number `sent`, in the order of the protocol. */
static enum upgrade_sent send_next(struct upgrade *u)
{
	const struct upgrade_goods *g = &u->goods;
	struct upgrade_message m = { .kind = UPGRADE_ALL, .count = g->table->count };
	uint32_t at = u->sent, count = 0;
	const int *fds = NULL;

	if (at == 0) {
		m.kind = UPGRADE_HELLO;
		m.count = g->table->workers;
	} else if (at <= g->table->count) {
		const struct listen_place *place = &g->table->places[at - 1];

		m.kind = UPGRADE_LISTENER;
		m.address = place->address;
		fds = place->fds;
		count = place->fd_count;
	} else if (at == g->table->count + 1) {
		m.kind = UPGRADE_ADMIN;
		fds = &g->admin;
		count = g->admin >= 0;
	} else if (at == g->table->count + 2) {
		m.kind = UPGRADE_MAPS;
		fds = g->maps;
		count = g->map_count;
	} else {
		u->state = UPGRADE_WAITING;
	}
	return upgrade_message_send(u->socket, &m, fds, count);
}

static void give(struct upgrade *u)
{
	while (u->state == UPGRADE_GIVING) {
		enum upgrade_sent sent = send_next(u);

		if (sent == UPGRADE_BROKEN) {
			fail(u, NULL);
			return;
		}
		if (sent == UPGRADE_FULL) {
			u->state = UPGRADE_GIVING;
			return;
		}
		u->sent++;
	}
	watch_set(&u->watch, WATCH_READ);
}

static void hear(struct upgrade *u)
{
	bool taken[STEERED_MAX] = { false };
	int fds[UPGRADE_FDS_MAX];
	struct upgrade_message m;
	uint32_t count;
	struct err err;

	switch (upgrade_message_receive(u->socket, &m, fds, &count, &err)) {
	case UPGRADE_NOTHING:
		return;
	case UPGRADE_END:
		fail(u, NULL);
		return;
	case UPGRADE_WRONG:
		fail(u, err.text);
		return;
	case UPGRADE_GOT:
		break;
	}
	while (count > 0)
		close(fds[--count]);
	if (m.kind != UPGRADE_READY) {
		fail(u, "said what was not expected");
		return;
	}
	for (uint32_t i = 0; i < STEERED_MAX; i++)
		taken[i] = m.taken[i / 8] >> (i % 8) & 1;
	timer_stop(&u->patience);
	u->state = UPGRADE_LEAVING;
	u->options.on_ready(u->options.context, taken);
}

/* It has nothing more to say: this is its end. Only the kernel knows how it came to that. */
static void hear_end(struct upgrade *u)
{
	char text[64], byte;

	if (recv(u->socket, &byte, 1, MSG_DONTWAIT) > 0)
		return;
	child_end(u, text, sizeof(text));
	u->options.on_lost(u->options.context, text);
}

static void on_socket(void *context, int events)
{
	struct upgrade *u = context;

	(void)events;
	if (u->state == UPGRADE_LEAVING)
		hear_end(u);
	else if (u->state == UPGRADE_GIVING)
		give(u);
	else
		hear(u);
}

static void on_patience_over(void *context)
{
	struct upgrade *u = context;
	char text[64];

	snprintf(text, sizeof(text), "was not ready after %u s and was killed",
		 u->options.patience_ms / 1000);
	fail(u, text);
}

/* --- from outside ------------------------------------------------------------------------ */

struct upgrade *upgrade_create(const struct upgrade_options *options)
{
	struct upgrade *u = must_alloc(sizeof(*u));

	u->options = *options;
	u->socket = -1;
	program_find(u);
	return u;
}

const char *upgrade_program(const struct upgrade *u)
{
	return u->program;
}

bool upgrade_begin(struct upgrade *u, const struct upgrade_goods *goods, struct err *err)
{
	int ends[2];
	bool started;

	if (u->state != UPGRADE_IDLE)
		return err_set(err, "another upgrade is under way");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "cannot make a pair of sockets");
	started = program_start(u, ends[1], err);
	close(ends[1]);
	if (!started) {
		close(ends[0]);
		return false;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK); /* ours alone; the new process reads as it starts */
	u->goods = *goods;
	u->sent = 0;
	u->socket = ends[0];
	u->state = UPGRADE_GIVING;
	watch_init(&u->watch, u->options.loop, u->socket, on_socket, u);
	watch_set(&u->watch, WATCH_WRITE);
	timer_init(&u->patience, u->options.loop, on_patience_over, u);
	timer_start(&u->patience, u->options.patience_ms);
	return true;
}

bool upgrade_is_under_way(const struct upgrade *u)
{
	return u->state == UPGRADE_GIVING || u->state == UPGRADE_WAITING;
}

pid_t upgrade_pid(const struct upgrade *u)
{
	return u->pid;
}

void upgrade_signal(const struct upgrade *u, int signal)
{
	if (u->state ==
	    UPGRADE_LEAVING) /* a child that was not waited for: the number is its own */
		kill(u->pid, signal);
}

void upgrade_yours(struct upgrade *u)
{
	if (u->state == UPGRADE_LEAVING) /* else it was lost meanwhile */
		upgrade_message_send(u->socket, &(struct upgrade_message){ .kind = UPGRADE_YOURS },
				     NULL, 0);
}

void upgrade_destroy(struct upgrade *u)
{
	char text[64];

	if (!u)
		return;
	if (upgrade_is_under_way(u)) {
		child_end(u, text, sizeof(text));
	} else if (u->socket >= 0) {
		watch_fini(&u->watch);
		close(u->socket);
	}
	free(u);
}
