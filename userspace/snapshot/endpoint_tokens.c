#include "userspace/snapshot/endpoint_tokens.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "userspace/base/must.h"

enum { MAC_BYTES = 16, SHA_BYTES = 32, VNI_BYTES = 4 };

struct token {
	char text[ENDPOINT_TOKEN_BYTES + 1];
};

struct endpoint_tokens {
	uint32_t places;
	uint32_t count;       /* places for each key */
	struct token *tokens; /* those of the present key first */
	uint32_t *table;      /* of tokens, plus one; 0: free. At least half of it is */
	uint32_t mask;
	uint64_t seed; /* so that nobody can tell which guesses meet in the table */
};

static void print(const uint8_t mac[MAC_BYTES], struct token *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (unsigned i = 0; i < ENDPOINT_TOKEN_BYTES; i++) {
		unsigned bit = i * 6, at = bit / 8;
		unsigned pair = (unsigned)mac[at] << 8 | (at + 1 < MAC_BYTES ? mac[at + 1] : 0);

		out->text[i] = digits[pair >> (10 - bit % 8) & 63];
	}
}

/* The same bytes on every machine. */
static void name(const struct endpoint *e, const uint8_t key[TOKEN_KEY_BYTES], struct token *out)
{
	uint8_t id[sizeof("endpoint") + sizeof(e->address.ip) + sizeof(e->address.port) +
		   VNI_BYTES] = "endpoint";
	uint8_t *at = id + sizeof("endpoint"), mac[SHA_BYTES];
	uint32_t vni = e->vpc ? e->vpc->vni : 0;
	unsigned len = sizeof(mac);

	memcpy(at, e->address.ip, sizeof(e->address.ip));
	at += sizeof(e->address.ip);
	memcpy(at, &e->address.port, sizeof(e->address.port)); /* network order, as the address */
	at += sizeof(e->address.port);
	for (int i = 0; i < VNI_BYTES; i++)
		at[i] = (uint8_t)(vni >> 8 * (VNI_BYTES - 1 - i));
	MUST(HMAC(EVP_sha256(), key, TOKEN_KEY_BYTES, id, sizeof(id), mac, &len) != NULL);
	print(mac, out);
}

static uint32_t slot_of(const struct endpoint_tokens *t, const char *text)
{
	return (uint32_t)XXH3_64bits_withSeed(text, ENDPOINT_TOKEN_BYTES, t->seed) & t->mask;
}

static void enter(struct endpoint_tokens *t, uint32_t number)
{
	uint32_t slot = slot_of(t, t->tokens[number].text);

	while (t->table[slot])
		slot = (slot + 1) & t->mask;
	t->table[slot] = number + 1;
}

struct endpoint_tokens *endpoint_tokens_create(const struct upstream *u,
					       const struct token_keys *keys)
{
	struct endpoint_tokens *t = must_alloc(sizeof(*t));
	uint32_t slots = 2;

	MUST(getrandom(&t->seed, sizeof(t->seed), 0) == sizeof(t->seed));
	t->places = u->endpoint_count;
	t->count = u->endpoint_count * keys->count;
	while (slots < 2 * t->count)
		slots *= 2;
	t->mask = slots - 1;
	t->table = must_alloc(slots * sizeof(t->table[0]));
	t->tokens = must_alloc((t->count + 1) * sizeof(t->tokens[0]));
	for (uint32_t i = 0; i < t->count; i++) {
		name(&u->endpoints[i % t->places], keys->keys[i / t->places], &t->tokens[i]);
		enter(t, i);
	}
	return t;
}

void endpoint_tokens_destroy(struct endpoint_tokens *t)
{
	if (!t)
		return;
	free(t->tokens);
	free(t->table);
	free(t);
}

const char *endpoint_tokens_of(const struct endpoint_tokens *t, uint32_t place)
{
	MUST(place < t->places);
	return t->tokens[place].text;
}

uint32_t endpoint_tokens_find(const struct endpoint_tokens *t, struct span token)
{
	uint32_t slot, found;

	if (token.len != ENDPOINT_TOKEN_BYTES)
		return ENDPOINT_TOKEN_NOBODY;
	for (slot = slot_of(t, token.at); t->table[slot]; slot = (slot + 1) & t->mask) {
		found = t->table[slot] - 1;
		if (CRYPTO_memcmp(t->tokens[found].text, token.at, ENDPOINT_TOKEN_BYTES) == 0)
			return found % t->places;
	}
	return ENDPOINT_TOKEN_NOBODY;
}
