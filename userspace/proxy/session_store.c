#include "userspace/proxy/session_store.h"

#include <sanitizer/asan_interface.h> /* only declarations; without it the macros do nothing */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"
#include "userspace/proxy/session.h"

enum { SPARE_MAX = 256 };

#define ZEROED_FROM offsetof(struct session, next)

static char *zeroed(struct session *s)
{
	return (char *)s + ZEROED_FROM;
}

static struct session *make(struct proxy *proxy)
{
	struct session *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->due_ms = 0;
	timer_init(&s->timer, proxy->options.loop, session_on_timer, s);
	timer_init(&s->poll, proxy->options.loop, tunnel_on_poll, s);
	timer_init(&s->turn, proxy->options.loop, session_on_turn, s);
	return s;
}

struct session *session_store_take(struct proxy *proxy)
{
	struct session *s = proxy->spare;

	if (s) {
		proxy->spare = s->spare_next;
		proxy->spare_count--;
		ASAN_UNPOISON_MEMORY_REGION(zeroed(s), sizeof(*s) - ZEROED_FROM);
	} else {
		s = make(proxy);
		if (!s)
			return NULL;
	}
	memset(zeroed(s), 0, sizeof(*s) - ZEROED_FROM);
	s->spare = false;
	s->proxy = proxy;
	s->next = proxy->sessions;
	if (s->next)
		s->next->prev = s;
	proxy->sessions = s;
	return s;
}

void session_store_give(struct session *s)
{
	struct proxy *proxy = s->proxy;

	*(s->prev ? &s->prev->next : &proxy->sessions) = s->next;
	if (s->next)
		s->next->prev = s->prev;
	timer_stop(&s->poll);
	timer_stop(&s->turn);
	if (proxy->spare_count >= SPARE_MAX) {
		timer_stop(&s->timer);
		free(s);
		return;
	}
	s->spare = true;
	s->spare_next = proxy->spare;
	proxy->spare = s;
	proxy->spare_count++;
	/* What still points here is as wrong as if it had been freed. */
	ASAN_POISON_MEMORY_REGION(zeroed(s), sizeof(*s) - ZEROED_FROM);
}

bool session_store_is_spare(const struct session *s)
{
	return s->spare;
}

void session_store_fini(struct proxy *proxy)
{
	MUST(!proxy->sessions);
	while (proxy->spare) {
		struct session *s = proxy->spare;

		proxy->spare = s->spare_next;
		timer_stop(&s->timer);
		free(s);
	}
	proxy->spare_count = 0;
}
