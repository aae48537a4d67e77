/* What is remembered of requests that have ended: how many, and for whom. */
#include "tests/harness/test.h"
#include "userspace/proxy/deed_ring.h"

static void add(struct deed_ring *ring, uint32_t number, enum deed_kind kind)
{
	struct deed *deed = deed_ring_next(ring, kind);
	char id[32];

	snprintf(id, sizeof(id), "id-%u", number);
	deed->ended_ms = 1000 + number;
	deed->session = number;
	deed_put(deed, DEED_ID, span_of(id));
}

/* UINT64_MAX where it is not known. */
static uint64_t find(const struct deed_ring *ring, const char *id)
{
	const struct deed *deed = deed_ring_find(ring, span_of(id));

	return deed ? deed->session : UINT64_MAX;
}

TEST(the_last_ones_are_known_and_those_that_went_wrong_for_longer)
{
	struct deed_ring ring;
	char id[32];

	deed_ring_init(&ring);
	CHECK_INT(find(&ring, "id-0"), UINT64_MAX);
	add(&ring, 0, DEED_GOOD);
	add(&ring, 1, DEED_WRONG);
	for (uint32_t i = 2; i <= DEEDS_MAX; i++)
		add(&ring, i, DEED_GOOD);
	CHECK_INT(find(&ring, "id-0"), 0);
	add(&ring, DEEDS_MAX + 1, DEED_GOOD);
	CHECK_INT(find(&ring, "id-0"), UINT64_MAX);
	CHECK_INT(find(&ring, "id-1"), 1);
	CHECK_INT(find(&ring, "id-2"), 2);
	snprintf(id, sizeof(id), "id-%d", DEEDS_MAX + 1);
	CHECK_INT(find(&ring, id), DEEDS_MAX + 1);
	for (uint32_t i = 0; i < DEEDS_WRONG_MAX; i++)
		add(&ring, 100000 + i, DEED_WRONG);
	CHECK_INT(find(&ring, "id-1"), UINT64_MAX);
	CHECK_INT(find(&ring, "id-100000"), 100000);
	deed_ring_fini(&ring);
}

TEST(who_is_turned_away_washes_nobody_away_that_went_wrong)
{
	struct deed_ring ring;

	deed_ring_init(&ring);
	add(&ring, 0, DEED_WRONG);
	add(&ring, 1, DEED_GOOD);
	add(&ring, 2, DEED_AWAY);
	CHECK_INT(deed_ring_since(&ring, DEED_AWAY), 0);
	for (uint32_t i = 0; i < DEEDS_AWAY_MAX; i++)
		add(&ring, 3 + i, DEED_AWAY);
	CHECK_INT(find(&ring, "id-0"), 0);
	CHECK_INT(find(&ring, "id-1"), 1);
	CHECK_INT(find(&ring, "id-2"), UINT64_MAX);
	CHECK_INT(find(&ring, "id-3"), 3);
	CHECK_INT(deed_ring_since(&ring, DEED_AWAY), 1003);
	CHECK_INT(deed_ring_since(&ring, DEED_WRONG), 0);
	CHECK_INT(deed_ring_since(&ring, DEED_GOOD), 0);
	deed_ring_fini(&ring);
}

TEST(of_several_of_one_name_the_last_is_told)
{
	struct deed_ring ring;

	deed_ring_init(&ring);
	add(&ring, 5, DEED_WRONG);
	add(&ring, 5, DEED_GOOD);
	deed_ring_next(&ring, DEED_GOOD)->ended_ms = 2000;
	CHECK_INT(find(&ring, "id-5"), 5);
	CHECK_INT(find(&ring, ""), UINT64_MAX);
	deed_ring_fini(&ring);
}

TEST(names_are_cut_where_they_are_long_and_the_path_has_what_is_left)
{
	struct deed_ring ring;
	struct deed *deed;
	char many[300];

	deed_ring_init(&ring);
	memset(many, 'x', sizeof(many));
	deed = deed_ring_next(&ring, DEED_GOOD);
	deed_put(deed, DEED_ID, span_make(many, 64));
	deed_put(deed, DEED_METHOD, SPAN("GET"));
	CHECK_INT(deed->cut, false);
	deed_put(deed, DEED_ROUTE, span_make(many, sizeof(many)));
	CHECK_INT(deed->cut, true);
	deed_put(deed, DEED_PATH, span_make(many, sizeof(many)));
	CHECK_INT(deed_piece(deed, DEED_ID).len, 64);
	CHECK_SPAN(deed_piece(deed, DEED_METHOD), SPAN("GET"));
	CHECK_INT(deed_piece(deed, DEED_ROUTE).len, DEED_PIECE_MAX);
	CHECK_INT(deed_piece(deed, DEED_HOST).len, 0);
	CHECK_INT(deed_piece(deed, DEED_PATH).len, DEED_TEXT_BYTES - 64 - 3 - DEED_PIECE_MAX);
	deed_ring_fini(&ring);
}
