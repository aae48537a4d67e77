/* Bodies that go past two sockets: how they end. */
#include "tests/unit/bounded_rig.h"

TEST(it_is_done_when_all_has_arrived_and_nothing_is_on_its_way)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		at(base, N);
		CHECK(bounded_is_acked(b));
		CHECK(!bounded_is_done(b)); /* what was in the socket was not read */
		relayed(b, base);
		at(base, N - 1);
		CHECK_INT(bounded_progress(b), N - 1);
		CHECK(!bounded_is_done(b));
		at(base, N);
		states[OUT].snd_nxt--;
		CHECK(!bounded_is_done(b)); /* our socket has yet to send what comes before it */
		states[OUT].snd_nxt++;
		past = false;
		elements[IN].leg.passed++;
		CHECK(!bounded_is_done(b)); /* a packet is on its way to the socket of IN, */
		past = true;
		CHECK(bounded_is_done(b)); /* or it was lost */
		elements[IN].leg.progress = IN_FROM + N + base;
		CHECK_INT(bounded_end(b), N);
		CHECK_INT(elements[IN].leg.rx, IN_RX + N);
		CHECK_INT(elements[OUT].leg.tx, OUT_TX + N);
		CHECK_INT(elements[IN].leg.tx, IN_TX);
		CHECK_INT(elements[OUT].leg.rx, OUT_RX);
		CHECK_INT(elements[IN].leg.body | elements[OUT].leg.body, LEG_NONE);
		CHECK_INT(pokes[IN], 0);
		CHECK_INT(resets[IN] | resets[OUT], 0);
	}
}

TEST(its_sender_hears_of_the_end_if_nobody_has_told_it)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		relayed(b, base);
		at(base, N);
		elements[IN].leg.progress = IN_FROM + N - 1 + base;
		CHECK(bounded_is_done(b));
		bounded_end(b);
		CHECK_INT(pokes[IN], 1);
		CHECK_INT(pokes[OUT], 0);
	}
}

TEST(its_sender_hears_of_our_window_if_it_knows_of_a_narrow_one)
{
	struct bounded *b = begun(0);

	CHECK_INT(elements[OUT].past.window << 2, WINDOW);
	relayed(b, 0);
	at(0, N);
	elements[IN].leg.progress = IN_FROM + N;
	elements[OUT].past.window = (NARROW_BYTES >> 2) - 1;
	bounded_end(b);
	CHECK_INT(pokes[IN], 1);
}

TEST(a_request_in_the_last_segment_ends_the_body_before_it)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);
		struct leg *in = &elements[IN].leg;

		relayed(b, base);
		in->notes = LEG_CROSSED;
		in->crossing = IN_FROM + N - 3 + base;
		at(base, N - 4);
		CHECK(!bounded_is_done(b)); /* what is in front of it has not arrived */
		CHECK_INT(in->to - in->from, N);
		at(base, N - 3);
		past = false;
		CHECK(!bounded_is_done(b)); /* somebody may judge by the old plan */
		CHECK_INT(in->to - in->from, N - 3);
		past = true;
		CHECK(bounded_is_done(b));
		CHECK_INT(bounded_end(b), N - 3);
		CHECK_INT(elements[IN].leg.rx, IN_RX + N - 3);
		CHECK_INT(elements[OUT].leg.tx, OUT_TX + N - 3);
	}
}

TEST(where_its_end_is_in_one_segment_with_what_follows_is_known)
{
	struct bounded *b = begun(0);

	CHECK_INT(bounded_left(b), LEFT);
	relayed(b, 0);
	CHECK_INT(bounded_left(b), N);
	at(0, N - 3);
	CHECK(!bounded_is_done(b));
	CHECK(!bounded_is_crossed(b));
	elements[IN].leg.notes = LEG_CROSSED;
	elements[IN].leg.crossing = IN_FROM + N - 3;
	CHECK(bounded_is_done(b));
	CHECK(bounded_is_crossed(b));
	CHECK_INT(bounded_left(b), N - 3);
	bounded_end(b);
}

TEST(a_body_of_which_nothing_went_past_is_done_with_more_in_the_socket)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		relayed(b, base);
		bounded_read(b, N + 5);
		states[IN].copied_seq += N + 5;
		states[IN].rcv_nxt += N + 5000;
		states[OUT].write_seq = states[OUT].snd_nxt = OUT_FROM + N - OUT_TX + base;
		at(base, N - 1);
		CHECK(!bounded_is_done(b));
		at(base, N);
		CHECK_INT(bounded_left(b), 0);
		CHECK(bounded_is_done(b));
		CHECK_INT(bounded_end(b), 0);
		CHECK_INT(elements[IN].leg.rx, IN_RX);
		CHECK_INT(elements[OUT].leg.tx, OUT_TX);
	}
}

TEST(of_an_abandoned_one_each_leg_keeps_what_went_past_it)
{
	static const struct {
		const char *name;
		uint32_t there; /* bytes that the other end has acknowledged */
		uint32_t has;   /* bytes of it that the socket of IN has, or will have, */
		bool coming;    /* which are on their way there */
		bool gone;      /* the socket of IN has died */
		uint32_t in, out;
	} rows[] = {
		{ "nothing has arrived", 0, 0, false, false, 0, 0 },
		{ "half of it", N / 2, 0, false, false, N / 2, N / 2 },
		{ "all", N, 0, false, false, N, N },
		{ "some of it was passed up as well", 500, 200, false, false, 300, 500 },
		{ "or will be", 500, 200, true, false, 300, 500 },
		{ "more than has arrived", 100, 200, true, false, 0, 100 },
		{ "its sender has died", 500, 0, false, true, 500, 500 },
	};

	FOR_ROWS (row, rows) {
		FOR_BASES(base)
		{
			struct bounded *b = begun(base);

			relayed(b, base);
			at(base, row->there);
			elements[IN].leg.passed = IN_NXT + row->has + base;
			if (!row->coming)
				states[IN].rcv_nxt += row->has;
			gone[IN] = row->gone;
			bounded_abandon(b);
			CHECK_INT(elements[IN].leg.rx, IN_RX + row->in);
			CHECK_INT(elements[OUT].leg.tx, OUT_TX + row->out);
			CHECK_INT(elements[IN].leg.body | elements[OUT].leg.body, LEG_NONE);
			CHECK_INT(resets[IN], 0); /* may go on; what goes out has no end */
			CHECK_INT(resets[OUT], 1);
		}
	}
}

/* The programs have seen a SYN for the addresses of a leg, as its worker has yet to end the body.
 */
TEST(whose_addresses_have_another_connection_gets_no_shifts_of_the_old_one)
{
	static const struct {
		const char *name;
		int anew;
		bool abandoned;
	} rows[] = {
		{ "the client's, when the body is done", OUT, false },
		{ "the client's, when it is abandoned", OUT, true },
		{ "the endpoint's, when the body is done", IN, false },
		{ "the endpoint's, when it is abandoned", IN, true },
	};

	FOR_ROWS (row, rows) {
		struct bounded *b = begun(0);
		struct leg *leg = &elements[row->anew].leg, *other = &elements[!row->anew].leg;

		relayed(b, 0);
		at(0, N);
		elements[row->anew].events = SPLICE_ANEW;
		leg->tx = leg->rx = 0;
		leg->body = LEG_NONE;
		if (row->abandoned)
			bounded_abandon(b);
		else
			CHECK_INT(bounded_end(b), N);
		CHECK_INT(leg->tx | leg->rx | leg->body, 0);
		CHECK(other->tx > 0 && other->rx > 0);
		CHECK_INT(leg->turn & 1, 0);
	}
}

TEST(the_reset_of_an_abandoned_one_is_not_older_than_what_is_on_its_way)
{
	FOR_BASES(base)
	{
		struct bounded *b = begun(base);

		relayed(b, base);
		at(base, 100);
		elements[IN].past.max_seq += 50;
		bounded_abandon(b);
		CHECK_INT(elements[IN].leg.rx, IN_RX + 100);
		CHECK_INT(elements[OUT].leg.tx, OUT_TX + 150);
	}
}
