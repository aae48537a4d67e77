/* Bodies that go past two sockets: how they begin, and what is known of them. */
#include "tests/unit/bounded_rig.h"

TEST(a_plan_has_the_numbers_on_the_wire)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);
		const struct splice *in = &elements[IN], *out = &elements[OUT];

		CHECK_INT(in->leg.body, LEG_IN);
		CHECK_INT(in->leg.from, (uint32_t)(IN_FROM + base));
		CHECK_INT(in->leg.to - in->leg.from, N);
		CHECK_INT(out->leg.body, LEG_OUT);
		CHECK_INT(out->leg.from, (uint32_t)(OUT_FROM + base));
		CHECK_INT(out->leg.to - out->leg.from, N);
		CHECK_INT(in->past.seq_delta, (uint32_t)(OUT_FROM - IN_FROM));
		CHECK_INT(out->past.ack_delta, (uint32_t)(IN_FROM - OUT_FROM));
		CHECK_INT(in->past.floor, (uint32_t)(IN_COPIED + IN_RX - UNWRITTEN + base));
		CHECK_INT(in->past.max_seq, in->leg.from);
		CHECK_INT(out->leg.progress, (uint32_t)(OUT_UNA + OUT_TX + base));
		CHECK_INT(out->leg.heard, 0);
		CHECK_INT(in->leg.sent, (uint32_t)(IN_SENT + base));
		CHECK_INT(in->leg.turn | out->leg.turn, 2); /* even again, both */
		CHECK_INT(resets[IN] + resets[OUT], 2);     /* whatever ends it now, by a reset */
		CHECK_INT(bounded_progress(b), 0);
		CHECK(!bounded_is_acked(b));
		bounded_abandon(b);
	}
}

TEST(a_body_that_cannot_go_changes_nothing)
{
	static const struct {
		const char *name;
		enum splice_reason why;
		int32_t passed, una; /* beyond what the sockets have */
		uint32_t flags, left;
	} rows[] = {
		{ "packets are on their way to the socket", SPLICE_REASON_NOT_QUIET, 1, 0, 0,
		  LEFT },
		{ "its sender has to acknowledge", SPLICE_REASON_NOT_QUIET, 0, -1, 0, LEFT },
		{ "a gap", SPLICE_REASON_OUT_OF_ORDER, 0, 0, SK_OUT_OF_ORDER, LEFT },
		{ "too little past the sockets", SPLICE_REASON_SMALL, 0, 0, 0, LEFT - 1 },
	};

	FOR_ROWS (row, rows) {
		FOR_BASES(base)
		{
			struct bounded_request r = request();
			struct bounded *b = NULL;

			set_up(base);
			elements[IN].leg.passed += (uint32_t)row->passed;
			states[IN].snd_una += (uint32_t)row->una;
			states[IN].flags = row->flags;
			r.left = row->left;
			CHECK_INT(bounded_begin(&splicer, &r, &b), row->why);
			CHECK(!b);
			CHECK_INT(elements[IN].leg.body | elements[OUT].leg.body, LEG_NONE);
			CHECK_INT((elements[IN].leg.turn | elements[OUT].leg.turn) & 1, 0);
			CHECK_INT(resets[IN] + resets[OUT], 0);
		}
	}
}

TEST(of_a_body_longer_than_a_plan_the_rest_is_another_one)
{
	struct bounded_request r = request();
	struct bounded *b = NULL;

	set_up(0);
	r.left = 5ull << 32;
	CHECK_INT(bounded_begin(&splicer, &r, &b), SPLICE_REASON_DONE);
	CHECK_INT(elements[IN].leg.to - elements[IN].leg.from, BOUNDED_BYTES_MAX);
	bounded_abandon(b);
}

TEST(what_the_socket_still_gets_of_it_moves_the_beginning_of_both)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);
		const struct leg *in = &elements[IN].leg, *out = &elements[OUT].leg;

		bounded_read(b, 0x100); /* was in the socket at the beginning */
		CHECK_INT(in->from, (uint32_t)(IN_FROM + base));
		bounded_read(b, 0x205); /* five bytes more than the rest of that */
		CHECK_INT(in->from, (uint32_t)(IN_FROM + 5 + base));
		CHECK_INT(out->from, (uint32_t)(OUT_FROM + 5 + base));
		CHECK_INT(elements[IN].past.max_seq, in->from);
		bounded_read(b, 2 * N); /* the next request, too */
		CHECK_INT(in->from, in->to);
		CHECK_INT(out->from, out->to);
		CHECK_INT((in->turn | out->turn) & 1, 0);
		bounded_abandon(b);
	}
}

/* All of it came by the plan before, and so much of the next request that nobody reads it now. */
TEST(who_sends_it_is_told_when_it_knows_too_little_twice)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		at(base, 100);
		elements[IN].leg.progress = IN_FROM + 99 + base;
		bounded_tend(b);
		CHECK_INT(pokes[IN], 0);
		bounded_tend(b);
		CHECK_INT(pokes[IN], 1);
		elements[IN].leg.progress++;
		bounded_tend(b);
		bounded_tend(b);
		CHECK_INT(pokes[IN], 1);
		elements[IN].leg.notes = LEG_DEAF;
		bounded_tend(b);
		CHECK_INT(pokes[IN], 2);
		CHECK_INT(elements[IN].leg.notes, 0);
		bounded_abandon(b);
	}
}

TEST(who_holds_it_up_is_known)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		at(base, 100);
		CHECK(!bounded_is_full(b));
		elements[IN].past.max_seq++; /* one byte on its way */
		CHECK(bounded_is_full(b));
		elements[IN].past.max_seq--;
		elements[OUT].past.window = 0;
		CHECK(bounded_is_full(b));
		CHECK(!bounded_is_lost(b));
		states[IN].tcp_state = TCP_CLOSE;
		CHECK(!bounded_is_lost(b));
		states[OUT].tcp_state = TCP_CLOSE;
		CHECK(bounded_is_lost(b));
		CHECK(!bounded_is_cut(b));
		elements[IN].leg.notes = LEG_EARLY;
		CHECK(bounded_is_cut(b));
		bounded_abandon(b);
	}
}
