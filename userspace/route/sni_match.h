/*
 * sni_match.h - for tls-passthrough: from what a ClientHello says to an upstream.
 *
 * The name comes first: exact, then the longest "*." suffix, then "default". Of the entries of one
 * name, the first that wants a protocol which the client offers, or wants none; where there is no
 * such entry, the next name that fits is asked. Knows nothing of TLS. Pure.
 */
#pragma once
#include "userspace/base/arena.h"
#include "userspace/base/span.h"
#include "userspace/model/model.h"

/* Protocols of one client, and bytes of a name; tls_hello has no more. */
enum { SNI_OFFERED_MAX = 16, SNI_NAME_MAX = 255 };

struct sni_ask {
	struct span name; /* lower case; empty: none */
	struct span protocols[SNI_OFFERED_MAX];
	uint32_t protocol_count;
};

enum sni_miss { SNI_MISS_NONE, SNI_MISS_NAME, SNI_MISS_PROTOCOL };

/* Has the names of its entries found by hash, so that a flood of hellos costs the same with each
 * number of them. */
void sni_match_compile(struct arena *arena, struct listener *listener);
/* Why an entry is not for it, the others aside. */
enum sni_miss sni_match_try(const struct sni_route *entry, const struct sni_ask *ask);
/* NULL: none is; *out_miss: why the nearest is not. */
const struct sni_route *sni_match_find(const struct listener *listener, const struct sni_ask *ask,
				       enum sni_miss *out_miss);
/* "h2,http/1.1": what openssl s_client -alpn takes; empty: nothing. False where it is no such list,
 * and *ask as it was. Borrows the text. */
bool sni_match_offer(struct sni_ask *ask, struct span text);
bool sni_match_offers(const struct sni_ask *ask, struct span protocol);
