/* Splices and bodies that share a rate (bpf/abi/splice.h, struct bucket), through the verified
 * programs. */
#include "tests/bpf/leg_rows.h"

BOTH_TWINS

enum { ROUTE_SLOT = 20, SOURCE_SLOT, NO_BUCKET_SLOT };

#define AGES (1ull << 62) /* ns; until then nothing goes */

/* A bucket's element, whose `due` decides; whoever pays is far ahead at once. */
static void bucket(uint32_t slot, uint64_t due, uint32_t dir)
{
	struct splice sp = { .state = SPLICE_BUCKET };

	sp.bucket.due[dir] = due;
	sp.bucket.kib_ns = 1ull << 50;
	program_set(x->maps.shunt_splices, &slot, &sp);
}

static uint64_t due_of(uint32_t slot, uint32_t dir)
{
	return get(slot).bucket.due[dir];
}

static void begin_full(struct splice *sp)
{
	struct splice_dir *c = &sp->dir[0], *e = &sp->dir[1];

	*sp = (struct splice){ .state = SPLICE_SPLICED, .generation = GENERATION };
	c->out = key_of(at->self, 20000, at->endpoint, 80);
	e->out = key_of(at->vip, 443, at->client, 4000);
	c->next_hop = e->next_hop = HOP;
	c->floor = c->krcv = c->max_seq = e->drain = e->max_ack = 1000;
	e->floor = e->krcv = e->max_seq = c->drain = c->max_ack = 5000;
	c->window = e->window = 0xffff;
}

struct rate_row {
	const char *name;
	uint64_t route, source; /* due; 0: there is time */
	uint32_t pays[2];
	const char *payload;
	int fate;
	uint32_t counted, charged[2];
};

#define BOTH   { ROUTE_SLOT + 1, SOURCE_SLOT + 1 }
#define GOES   XDP_TX, COUNT_SPLICED
#define IS_OUT XDP_DROP, COUNT_SPLICE_RATE

/* clang-format off */
static const struct rate_row rate_rows[] = {
	{ "none",                           0,    0,    { 0, 0 }, "hello", GOES,   { 0, 0 } },
	{ "time",                           0,    0,    BOTH,     "hello", GOES,   { 1, 1 } },
	{ "the route's is used up",         AGES, 0,    BOTH,     "hello", IS_OUT, { 0, 0 } },
	{ "the source's is used up",        0,    AGES, BOTH,     "hello", IS_OUT, { 0, 0 } },
	{ "only the route's",               0,    AGES, { ROUTE_SLOT + 1, 0 }, "hello", GOES, { 1, 0 } },
	{ "only the source's",              AGES, 0,    { 0, SOURCE_SLOT + 1 }, "hello", GOES, { 0, 1 } },
	{ "an element that is no bucket",   AGES, AGES, { NO_BUCKET_SLOT + 1, 0 }, "hello", GOES, { 0, 0 } },
	{ "an element that there is not",   AGES, AGES, { 4000000000u, 0 }, "hello", GOES, { 0, 0 } },
};
/* clang-format on */

/* Whatever goes the other way is counted by itself. */
static void run_row(const struct rate_row *row, uint32_t dir, struct packet *p, uint32_t slot)
{
	struct splice none = { .state = SPLICE_FREE };
	struct counters before;
	struct outcome got;

	bucket(ROUTE_SLOT, row->route, dir);
	bucket(SOURCE_SLOT, row->source, dir);
	put(&none, NO_BUCKET_SLOT);
	p->payload = row->payload;
	before = program_counters();
	got = program_run(p);
	CHECK_INT(got.fate, row->fate);
	check_only_counted(&before, row->counted);
	CHECK_INT(due_of(ROUTE_SLOT, dir) > row->route, row->charged[0]);
	CHECK_INT(due_of(SOURCE_SLOT, dir) > row->source, row->charged[1]);
	CHECK_INT(due_of(ROUTE_SLOT, !dir), 0);
	CHECK_INT(due_of(SOURCE_SLOT, !dir), 0);
	CHECK_INT(get(slot).over_rate[dir], row->counted == COUNT_SPLICE_RATE);
	CHECK_INT(get(slot).over_rate[!dir], 0);
}

TEST(bytes_of_a_splice_over_a_rate_are_dropped_and_counted)
{
	NEED_PROGRAM;
	for (size_t family = 0; family < 2; family++) {
		at = &families[family];
		FOR_ROWS (row, rate_rows) {
			struct packet p = P(.seq = 1000, .ack = 5000, .window = 200);
			struct splice sp;

			begin_full(&sp);
			memcpy(sp.pays, row->pays, sizeof(sp.pays));
			put(&sp, C_SLOT);
			address(&p, false);
			run_row(row, 0, &p, C_SLOT);
		}
	}
}

TEST(acknowledgements_and_ends_go_whatever_the_rate)
{
	static const struct rate_row row = { "no payload", AGES, AGES, BOTH, NULL, GOES, { 0, 0 } };
	static const uint8_t flags[] = { ACK, FIN | ACK, RST | ACK };

	NEED_PROGRAM;
	at = &families[0];
	for (size_t i = 0; i < sizeof(flags); i++) {
		struct packet p = P(.seq = 1000, .ack = 5000, .window = 200);
		struct splice sp;

		begin_full(&sp);
		memcpy(sp.pays, row.pays, sizeof(sp.pays));
		put(&sp, C_SLOT);
		p.flags = flags[i];
		address(&p, false);
		run_row(&row, 0, &p, C_SLOT);
	}
}

/* A body pays by whom it is from: the key of its leg has no direction. */
TEST(bytes_of_a_body_over_a_rate_are_dropped_and_counted)
{
	NEED_PROGRAM;
	for (size_t family = 0; family < 2; family++) {
		at = &families[family];
		for (uint32_t dir = 0; dir < 2; dir++)
			FOR_ROWS (row, rate_rows) {
				struct packet p = P(.seq = E_MAX, .ack = E_SENT);
				struct splice c, e;

				begin_client(&c, 0);
				begin_endpoint(&e, 0);
				memcpy(e.pays, row->pays, sizeof(e.pays));
				e.flags = dir ? SPLICE_BY_SERVER : 0;
				put(&c, C_SLOT);
				put(&e, E_SLOT);
				address(&p, true);
				run_row(row, dir, &p, E_SLOT);
			}
	}
}
