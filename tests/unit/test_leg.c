/* The element of a connection past whose socket bodies go: entered, waited for, let go. */
#define fence_request made_up_request
#define fence_is_past made_up_past
#include "userspace/splice/leg.c"

#include <arpa/inet.h>

#include "tests/harness/test.h"

enum { COUNT = 2, BUCKETS = 4, TICKET = 7, SENT = 0x9000, TAKEN = 0x4000 };

static struct splice elements[COUNT];
static struct slot slots[COUNT];
static struct flow_bucket buckets[BUCKETS];
static const __u64 seed = 7;
static struct splicer splicer;
static bool expected, past;

uint64_t made_up_request(struct fence *f)
{
	(void)f;
	return TICKET;
}

bool made_up_past(struct fence *f, uint64_t ticket)
{
	(void)f;
	return past && ticket == TICKET;
}

static bool expects(void *context, const struct addr *to)
{
	(void)context;
	return expected && to->ip[2] == htonl(0xffff);
}

static void set_up(void)
{
	memset(elements, 0, sizeof(elements));
	memset(slots, 0, sizeof(slots));
	memset(buckets, 0, sizeof(buckets));
	splicer = (struct splicer){ .slots = slots,
				    .first_free = SLOT_NONE,
				    .last_free = SLOT_NONE,
				    .lock = PTHREAD_MUTEX_INITIALIZER };
	splicer.maps.splices = elements;
	splicer.maps.count = COUNT;
	splicer.maps.flows = (struct flow_table){ buckets, BUCKETS, &seed };
	splicer.maps.expects = expects;
	expected = past = true;
}

static struct conn conn_of(uint16_t port)
{
	struct conn conn = { .fd = -1 };

	conn.peer = (struct addr){ .ip = { 0, 0, htonl(0xffff), htonl(0xc6336402) } };
	conn.local = (struct addr){ .ip = { 0, 0, htonl(0xffff), htonl(0xcb00710a) } };
	conn.peer.port = htons(port);
	conn.local.port = htons(443);
	return conn;
}

static enum splice_reason ask(struct conn *conn, struct splice **out_leg)
{
	struct sk_state st = {
		.snd_nxt = SENT, .rcv_nxt = TAKEN, .rcv_wnd = 0x8000, .rcv_wscale = 3
	};

	return leg_of(&splicer, conn, &st, 1, "u", out_leg);
}

static void let_go(struct conn *conn)
{
	conn->on_closed(conn->closed_context);
	conn->closed_context = NULL;
}

TEST(an_element_is_of_use_only_when_what_came_before_its_key_is_in_the_socket)
{
	struct conn conn = conn_of(4000);
	struct splice *leg = NULL;

	set_up();
	past = false;
	CHECK_INT(ask(&conn, &leg), SPLICE_REASON_NOT_QUIET);
	CHECK_INT(ask(&conn, &leg), SPLICE_REASON_NOT_QUIET);
	CHECK(!leg);
	past = true;
	CHECK_INT(ask(&conn, &leg), SPLICE_REASON_DONE);
	CHECK(leg == &elements[0]);
	past = false; /* once is enough */
	CHECK_INT(ask(&conn, &leg), SPLICE_REASON_DONE);
	CHECK_INT(leg->state, SPLICE_LEG);
	CHECK_INT(leg->leg.body, LEG_NONE);
	CHECK_INT(leg->leg.tx | leg->leg.rx, 0);
	CHECK_INT(leg->leg.sent, SENT);
	CHECK_INT(leg->leg.acked, TAKEN);
	CHECK_INT(leg->leg.passed, TAKEN);
	CHECK_INT(leg->leg.window << leg->leg.scale, 0x8000);
	CHECK_INT(leg->leg.key.sport, htons(4000)); /* as its packets arrive */
	CHECK_INT(leg->leg.key.dport, htons(443));
	CHECK_INT(FLOW_INDEX(flow_table_find(&splicer.maps.flows, &leg->leg.key)), 0);
	let_go(&conn);
}

TEST(it_lingers_when_its_socket_is_closed_and_its_key_is_nobody_elses_meanwhile)
{
	struct conn conn = conn_of(4000), again = conn_of(4000);
	struct splice *leg = NULL;

	set_up();
	ask(&conn, &leg);
	CHECK_INT(ask(&conn, &leg), SPLICE_REASON_DONE);
	leg->leg.tx = 9;
	let_go(&conn);
	CHECK_INT(atomic_load(&slots[0].owner), SLOT_CONTROL);
	CHECK(slots[0].linger_ms > 0);
	CHECK_INT(elements[0].state, SPLICE_LEG);
	CHECK_INT(elements[0].leg.tx, 9); /* the kernel still speaks for it */
	CHECK_INT(ask(&again, &leg), SPLICE_REASON_SYSTEM);
	CHECK(!again.closed_context);
	CHECK_INT(atomic_load(&slots[1].owner), SLOT_FREE);
	CHECK_INT(FLOW_INDEX(flow_table_find(&splicer.maps.flows, &elements[0].leg.key)), 0);
}

TEST(where_there_is_no_room_nothing_is_kept)
{
	struct conn conns[3] = { conn_of(4000), conn_of(4001), conn_of(4002) };
	struct splice *leg = NULL;

	set_up();
	expected = false;
	CHECK_INT(ask(&conns[0], &leg), SPLICE_REASON_SYSTEM);
	CHECK(!conns[0].closed_context);
	CHECK_INT(elements[0].state, SPLICE_FREE);
	expected = true;
	CHECK_INT(ask(&conns[0], &leg), SPLICE_REASON_NOT_QUIET);
	CHECK_INT(ask(&conns[1], &leg), SPLICE_REASON_NOT_QUIET);
	CHECK_INT(ask(&conns[2], &leg), SPLICE_REASON_NO_SLOT);
	CHECK(!conns[2].closed_context);
	let_go(&conns[0]);
	let_go(&conns[1]);
	splicer.closed = true; /* another process has them now */
	CHECK_INT(ask(&conns[2], &leg), SPLICE_REASON_NO_SLOT);
}

TEST(an_element_counts_its_uses)
{
	struct conn conn = conn_of(4000), other = conn_of(4001);
	struct splice *leg = NULL;

	set_up();
	elements[0].generation = UINT32_MAX;
	elements[0].leg.tx = 99;
	elements[0].source_port = 20000;
	ask(&conn, &leg);
	CHECK_INT(ask(&conn, &leg), SPLICE_REASON_DONE);
	CHECK_INT(leg->generation, 0);
	CHECK_INT(leg->leg.tx, 0);
	CHECK_INT(leg->source_port, 0); /* none of ours: nobody gives one back for it */
	ask(&other, &leg);
	CHECK_INT(elements[1].generation, 1);
	let_go(&conn);
	let_go(&other);
}

TEST(a_field_is_raised_and_never_lowered)
{
	static const struct {
		const char *name;
		uint32_t now, to, want;
	} rows[] = {
		{ "forward", 5, 6, 6 },
		{ "as it is", 5, 5, 5 },
		{ "backward", 5, 4, 5 },
		{ "forward across the wrap", 0xfffffffe, 1, 1 },
		{ "backward across the wrap", 1, 0xfffffffe, 1 },
		{ "onto the wrap", 0xffffffff, 0, 0 },
		{ "as far as there is", 7, 7 + 0x7fffffffu, 7 + 0x7fffffffu },
		{ "half way around is backward", 7, 7 + 0x80000000u, 7 },
	};

	FOR_ROWS (row, rows) {
		__u32 field = row->now;

		leg_raise(&field, row->to);
		CHECK_INT(field, row->want);
	}
}

TEST(a_plan_is_odd_while_it_changes)
{
	struct leg leg = { .turn = UINT32_MAX - 1 };

	leg_plan_begin(&leg);
	CHECK_INT(leg.turn, UINT32_MAX);
	leg_plan_end(&leg);
	CHECK_INT(leg.turn, 0);
}

TEST(of_a_daemon_that_died_in_the_midst_only_the_shifts_are_kept)
{
	static const struct {
		const char *name;
		uint32_t turn, body, want;
	} rows[] = {
		{ "a body to its peer", 4, LEG_OUT, 6 },
		{ "a body from its peer", 4, LEG_IN, 6 },
		{ "a plan half written", 5, LEG_IN, 6 },
		{ "at the wrap", UINT32_MAX, LEG_OUT, 0 },
	};

	FOR_ROWS (row, rows) {
		set_up();
		elements[0].state = SPLICE_LEG;
		elements[0].leg =
			(struct leg){ .turn = row->turn, .body = row->body, .tx = 3, .rx = 4 };
		atomic_store(&slots[0].owner, SLOT_FOREIGN);
		slot_look_at_foreign(&splicer, 0, false); /* it lives yet: it is an upgrade */
		CHECK_INT(elements[0].leg.body, row->body);
		slot_look_at_foreign(&splicer, 0, true);
		CHECK_INT(elements[0].leg.turn, row->want);
		CHECK_INT(elements[0].leg.body, LEG_NONE);
		CHECK_INT(elements[0].leg.tx, 3);
		CHECK_INT(elements[0].leg.rx, 4);
		CHECK_INT(atomic_load(&slots[0].owner), SLOT_CONTROL);
	}
}
