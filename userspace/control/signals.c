#include "userspace/control/signals.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "userspace/base/must.h"

struct signals {
	void (*on_signal)(void *context, int number);
	void *context;
	int fd;
	struct watch watch;
};

static void on_ready(void *context, int events)
{
	struct signals *s = context;
	struct signalfd_siginfo info;

	(void)events;
	while (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		s->on_signal(s->context, (int)info.ssi_signo);
}

struct signals *signals_create(struct loop *loop, void (*on_signal)(void *context, int number),
			       void *context, struct err *err)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };
	struct signals *s;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		sigaddset(&set, ours[i]);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL); /* workers inherit it */
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0) {
		err_sys(err, "cannot receive signals");
		return NULL;
	}
	s = must_alloc(sizeof(*s));
	*s = (struct signals){ .on_signal = on_signal, .context = context, .fd = fd };
	watch_init(&s->watch, loop, fd, on_ready, s);
	watch_set(&s->watch, WATCH_READ);
	return s;
}

void signals_destroy(struct signals *s)
{
	if (!s)
		return;
	watch_fini(&s->watch);
	close(s->fd);
	free(s);
}
