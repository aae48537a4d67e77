#include "userspace/control/watchdog.h"

#include <stdlib.h>
#include <unistd.h>

#include "userspace/base/log.h"
#include "userspace/base/must.h"
#include "userspace/control/notify.h"

/* So that one late look, or one lost message, is no reason to be killed. */
enum { LOOKS_PER_INTERVAL = 4 };

struct watchdog {
	struct timer timer;
	uint64_t every_ms;
	bool (*is_well)(void *context);
	void *context;
	bool complained;
};

static void on_look(void *context)
{
	struct watchdog *w = context;
	bool well = w->is_well(w->context);

	timer_start(&w->timer, w->every_ms);
	if (well)
		notify_send("WATCHDOG=1");
	else if (!w->complained)
		log_line(LOG_ERROR,
			 "a worker has done nothing for %llu ms; if that goes on, the service "
			 "manager starts shuntd anew",
			 (unsigned long long)w->every_ms);
	w->complained = !well;
}

/* 0 where it is not asked for, or not of this process. */
static uint64_t interval_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (!usec || !getenv("NOTIFY_SOCKET") || (pid && strtol(pid, NULL, 10) != getpid()))
		return 0;
	return strtoull(usec, NULL, 10) / 1000;
}

struct watchdog *watchdog_create(struct loop *loop, bool (*is_well)(void *context), void *context)
{
	uint64_t interval = interval_ms();
	struct watchdog *w;

	if (interval < LOOKS_PER_INTERVAL)
		return NULL;
	w = must_alloc(sizeof(*w));
	w->every_ms = interval / LOOKS_PER_INTERVAL;
	w->is_well = is_well;
	w->context = context;
	timer_init(&w->timer, loop, on_look, w);
	on_look(w);
	return w;
}

void watchdog_destroy(struct watchdog *w)
{
	if (!w)
		return;
	timer_stop(&w->timer);
	free(w);
}
