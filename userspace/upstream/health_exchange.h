/*
 * health_exchange.h - what a probe says and hears on a TCP connection that stands.
 *
 * TLS where the rules want it (RFC 8446, RFC 6125 names), then a request over HTTP/1.1 and its
 * answer. Never blocks; one loop's own.
 */
#pragma once
#include "userspace/base/addr.h"
#include "userspace/upstream/health_state.h"

struct tls_client;
struct health_exchange;

enum health_progress {
	HEALTH_WANTS_READ, /* go on when the socket can be read */
	HEALTH_WANTS_WRITE,
	HEALTH_GOOD,
	HEALTH_BAD, /* the detail says why */
};

/* All are borrowed; to is who is asked, for Host. tls NULL: plain. Aborts without memory. */
struct health_exchange *health_exchange_create(const struct health *rules,
					       const struct tls_client *tls, const struct addr *to,
					       int fd);
/* Accepts NULL. The socket is not closed. */
void health_exchange_destroy(struct health_exchange *x);
/* As far as it goes now. detail: HEALTH_DETAIL_MAX bytes. */
enum health_progress health_exchange_go(struct health_exchange *x, char *detail);
