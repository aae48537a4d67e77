#include "tests/harness/fake_clock.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SECOND_NS = 1000000000 };

static atomic_ullong ahead_ms;

void fake_clock_advance(uint64_t ms)
{
	atomic_fetch_add(&ahead_ms, ms);
}

/* In place of the C library's, for libraries too: the program's own symbol comes first. */
int clock_gettime(clockid_t which, struct timespec *out)
{
	uint64_t ahead = atomic_load(&ahead_ms);
	int got = (int)syscall(SYS_clock_gettime, which, out);

	if (got < 0)
		return got;
	out->tv_sec += (time_t)(ahead / 1000);
	out->tv_nsec += (long)(ahead % 1000 * 1000000);
	if (out->tv_nsec >= SECOND_NS) {
		out->tv_nsec -= SECOND_NS;
		out->tv_sec++;
	}
	return 0;
}
