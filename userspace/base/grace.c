#include "userspace/base/grace.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FALLBACK_MS = 200 };

void grace_wait(void)
{
	struct timespec wait = { .tv_nsec = FALLBACK_MS * 1000000l };

	/* MEMBARRIER_CMD_GLOBAL is synchronize_rcu(); it is refused only with nohz_full. */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		nanosleep(&wait, NULL);
}
