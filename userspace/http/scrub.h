/*
 * scrub.h - fields of requests that endpoints must not see, since they would take them for others.
 *
 * Programs behind CGI and its heirs (WSGI, Rack, PHP) read fields as variables, in which "-" and
 * "_" are the same letter: there Content_Length is Content-Length, X_Real_IP what a proxy sets, and
 * Proxy is HTTP_PROXY, by which many libraries choose their way out (httpoxy, CVE-2016-5385).
 * Some write "." and other signs as "_" too: X.Forwarded.For is never passed on.
 */
#pragma once
#include "userspace/base/span.h"

struct message;

enum underscores {
	UNDERSCORES_DROP,
	UNDERSCORES_REFUSE,
	UNDERSCORES_KEEP, /* but for those that look like a field that we know or set */
};

enum { SCRUB_SETS = 2 };

struct scrub {
	enum underscores underscores;
	struct span set[SCRUB_SETS]; /* fields that we set ourselves; at is NULL for none */
};

/* Removes fields from msg, "Proxy" always. False where the rules refuse one; then msg is as it was.
 */
bool scrub_request(struct message *msg, const struct scrub *rules);
/* Whether a trailer line may go on. A trailer comes too late to refuse anything: it is dropped. */
bool scrub_may_trail(struct span line, const struct scrub *rules);
