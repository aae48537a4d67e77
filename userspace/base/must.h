/*
 * must.h - invariants of our own, checked in release builds too.
 *
 * Nothing that a peer, a file or an operator can do may reach a failing MUST.
 */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#define MUST(cond)                                                                                 \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			must_fail(#cond, __FILE__, __LINE__);                                      \
	} while (0)

static inline _Noreturn void must_fail(const char *cond, const char *file, int line)
{
	fprintf(stderr, "shunt: broken invariant %s at %s:%d\n", cond, file, line);
	abort();
}

/* Memory at start and for configuration: running out is fatal there. Zeroed. */
static inline void *must_alloc(size_t bytes)
{
	void *p = calloc(1, bytes ? bytes : 1);

	MUST(p);
	return p;
}

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
