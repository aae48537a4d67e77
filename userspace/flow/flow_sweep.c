#include "userspace/flow/flow_sweep.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/base/must.h"

enum { SUSPECTS_MAX = 64 };

/* Busy when the sweep came by: a writer takes nanoseconds, unless it has died. */
struct suspect {
	uint32_t bucket, way;
	uint64_t word;
};

struct flow_sweep {
	struct flow_table table;
	bool (*keep)(void *context, const struct flow_entry *entry);
	void *context;
	uint32_t next; /* bucket */
	struct flow_sweep_stats done, now;
	struct suspect suspects[SUSPECTS_MAX];
	uint32_t suspect_count;
};

struct flow_sweep *flow_sweep_create(const struct flow_table *table,
				     bool (*keep)(void *context, const struct flow_entry *entry),
				     void *context)
{
	struct flow_sweep *s = must_alloc(sizeof(*s));

	s->table = *table;
	s->keep = keep;
	s->context = context;
	return s;
}

void flow_sweep_destroy(struct flow_sweep *sweep)
{
	free(sweep);
}

uint32_t flow_sweep_age(const struct flow_entry *e, uint32_t epoch)
{
	uint32_t age = epoch - e->seen;

	/* Used since the epoch began, or entered by an older daemon. */
	return age > UINT32_MAX / 2 ? 0 : age;
}

static uint32_t longest_s(const struct flow_entry *e)
{
	bool is_nat = FLOW_KIND(e->word) == FLOW_NAT;

	if (is_nat && NAT_IS_OVER(e->nat))
		return NAT_REST_S;
	if (is_nat ? !NAT_IS_KEPT(e->nat, 0) : e->confirmed == FLOW_BEGUN)
		return FLOW_UNCONFIRMED_S;
	if (e->key.proto == IPPROTO_UDP)
		return is_nat ? FLOW_UDP_IDLE_S : FLOW_UDP_IDLE_MAX_S; /* or as `keep` says */
	return FLOW_TCP_IDLE_S;
}

static bool is_old(const struct flow_entry *e, uint32_t epoch)
{
	return flow_sweep_age(e, epoch) > longest_s(e);
}

/* Of answers: it goes when the client's entry has gone. That is busy while the pair is entered. */
static bool is_widow(const struct flow_table *table, const struct flow_entry *e)
{
	uint32_t place = FLOW_INDEX(e->word);
	uint64_t front;

	if (place >= table->count * FLOW_WAYS)
		return true;
	front = flow_table_word(table, place / FLOW_WAYS, place % FLOW_WAYS);
	return FLOW_TURN(front) != FLOW_GENERATION(e->word) ||
	       (FLOW_KIND(front) != FLOW_BUSY && FLOW_KIND(front) != FLOW_NAT);
}

static void look_at_nat(struct flow_sweep *s, uint32_t bucket, uint32_t way,
			const struct flow_entry *e, uint32_t epoch)
{
	bool gone = FLOW_DIR(e->word) ? is_widow(&s->table, e) : is_old(e, epoch);

	if (gone && flow_table_free(&s->table, bucket, way, e->word))
		s->done.aged++;
	else if (!FLOW_DIR(e->word))
		s->now.nats++;
}

static void look_at(struct flow_sweep *s, uint32_t bucket, uint32_t way, uint32_t epoch)
{
	struct flow_entry e;
	uint64_t word = flow_table_word(&s->table, bucket, way);

	if (FLOW_KIND(word) == FLOW_BUSY && s->suspect_count < SUSPECTS_MAX)
		s->suspects[s->suspect_count++] = (struct suspect){ bucket, way, word };
	if (!flow_table_read(&s->table, bucket, way, &e))
		return;
	if (FLOW_KIND(e.word) == FLOW_SPLICE) {
		s->now.splices++;
		return;
	}
	if (FLOW_KIND(e.word) == FLOW_NAT) {
		look_at_nat(s, bucket, way, &e, epoch);
		return;
	}
	if ((is_old(&e, epoch) || !s->keep(s->context, &e)) &&
	    flow_table_free(&s->table, bucket, way, e.word))
		s->done.aged++;
	else
		s->now.l4++;
}

/* Those that are busy a second later still. */
static void free_suspects(struct flow_sweep *s)
{
	for (uint32_t i = 0; i < s->suspect_count; i++)
		flow_table_free(&s->table, s->suspects[i].bucket, s->suspects[i].way,
				s->suspects[i].word);
	s->suspect_count = 0;
}

bool flow_sweep_tick(struct flow_sweep *s, uint32_t epoch)
{
	uint32_t part = s->table.count / FLOW_PASS_S + 1, end;

	free_suspects(s);
	end = s->table.count - s->next < part ? s->table.count : s->next + part;
	for (; s->next < end; s->next++)
		for (uint32_t way = 0; way < FLOW_WAYS; way++)
			look_at(s, s->next, way, epoch);
	if (s->next < s->table.count)
		return false;
	s->done.l4 = s->now.l4;
	s->done.splices = s->now.splices;
	s->done.nats = s->now.nats;
	memset(&s->now, 0, sizeof(s->now));
	s->next = 0;
	return true;
}

void flow_sweep_stats(const struct flow_sweep *sweep, struct flow_sweep_stats *out_stats)
{
	*out_stats = sweep->done;
}
