#include "userspace/proxy/request_id.h"

#include <endian.h>

struct sip {
	uint64_t v[4];
};

static uint64_t turn(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(struct sip *s, int rounds)
{
	uint64_t *v = s->v;

	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = turn(v[1], 13) ^ v[0];
		v[3] = turn(v[3], 16) ^ v[2];
		v[0] = turn(v[0], 32) + v[3];
		v[2] += v[1];
		v[3] = turn(v[3], 21) ^ v[0];
		v[1] = turn(v[1], 17) ^ v[2];
		v[2] = turn(v[2], 32);
	}
}

static void sip_absorb(struct sip *s, uint64_t word)
{
	s->v[3] ^= word;
	sip_rounds(s, 2);
	s->v[0] ^= word;
}

static uint64_t sip_give(struct sip *s)
{
	sip_rounds(s, 4);
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

void request_ids_init(struct request_ids *ids, const uint64_t key[2])
{
	*ids = (struct request_ids){ { key[0], key[1] }, 0 };
}

/* The variant with 128 bits of output, over the eight bytes of the counter. */
void request_ids_make(struct request_ids *ids, char out_id[REQUEST_ID_DIGITS])
{
	static const char hex[] = "0123456789abcdef";
	struct sip s = { { ids->key[0] ^ 0x736f6d6570736575,
			   ids->key[1] ^ 0x646f72616e646f6d ^ 0xee,
			   ids->key[0] ^ 0x6c7967656e657261, ids->key[1] ^ 0x7465646279746573 } };
	uint64_t words[2];
	const uint8_t *bytes = (const uint8_t *)words;

	sip_absorb(&s, ids->next++);
	sip_absorb(&s, (uint64_t)sizeof(ids->next) << 56);
	s.v[2] ^= 0xee;
	words[0] = htole64(sip_give(&s));
	s.v[1] ^= 0xdd;
	words[1] = htole64(sip_give(&s));
	for (int i = 0; i < REQUEST_ID_DIGITS / 2; i++) {
		out_id[2 * i] = hex[bytes[i] >> 4];
		out_id[2 * i + 1] = hex[bytes[i] & 15];
	}
}

bool request_id_may_be_taken(struct span id)
{
	if (id.len == 0 || id.len > REQUEST_ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (id.at[i] <= ' ' || id.at[i] > '~' || id.at[i] == '"' || id.at[i] == '\\')
			return false;
	return true;
}
