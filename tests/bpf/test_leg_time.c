/* What sockets send past which bodies go (docs/splice.md, Bodies): its timestamps. */
#include "tests/bpf/leg_sent_rows.h"

/* 12 bytes of timestamps, then a block of SACK where there is room for it. */
static void put_options(uint8_t out[24], uint32_t stamp, uint32_t left, uint32_t right)
{
	const uint32_t words[] = { htonl(0x0101080a), htonl(stamp), htonl(9),
				   htonl(0x0101050a), htonl(left),  htonl(right) };

	memcpy(out, words, sizeof(words));
}

TEST(time_never_goes_back_and_sack_blocks_are_shifted)
{
	static const struct {
		const char *name;
		uint32_t own, stamp, stamped, want;
		enum leg_body body;
		bool early; /* the client has not all before the body: 0x90 is the least */
	} rows[] = {
		{ "ahead of what went past", 0x101, 0x100, BOTH_STAMPS, 0x101 },
		{ "as that", 0x100, 0x100, BOTH_STAMPS, 0x100 },
		{ "behind it", 0xff, 0x100, BOTH_STAMPS, 0x100 },
		{ "behind it at the wrap", 0xfffffff0, 5, BOTH_STAMPS, 5 },
		{ "ahead of it at the wrap", 5, 0xfffffff0, BOTH_STAMPS, 5 },
		{ "resent, with nothing past", 0xff, 0x100, LEG_STAMP_OWN, 0xff },
		{ "the first", 0xff, 0, 0, 0xff },
		{ "not ahead of a body", 0x101, 0x100, BOTH_STAMPS, 0x100, LEG_OUT },
		{ "nor behind it", 0xff, 0x100, BOTH_STAMPS, 0x100, LEG_OUT },
		{ "before a body, of which some has overtaken it", 0x95, 0x100, BOTH_STAMPS, 0x95,
		  LEG_OUT, true },
		{ "the same, as the body began just now", 0x8f, 0x100, BOTH_STAMPS, 0x90, LEG_OUT,
		  true },
		{ "before a body of which nothing went past", 0xff, 0x80, LEG_STAMP_OWN, 0xff,
		  LEG_OUT, true },
	};

	NEED_PROGRAM;
	at = &families[0];
	FOR_ROWS (row, rows) {
		uint8_t options[24], got[PACKET_BYTES_MAX];
		struct packet p =
			TCP4(.seq = C_SEQ(C_FROM), .ack = C_ACK(C_ACKED), .payload = "abc",
			     .tcp_options = options, .tcp_options_len = sizeof(options));
		struct splice c;
		size_t len;

		begin_client(&c, 0);
		c.leg.body = row->body;
		c.leg.before = 0x90;
		if (row->early)
			c.leg.progress = c.leg.from - 1;
		c.leg.stamp = row->stamp;
		c.leg.stamped = row->stamped;
		put(&c, C_SLOT);
		address(&p, false);
		put_options(options, row->own, -C_RX + 5, 5);
		CHECK_INT(run(&p, got, &len), TC_ACT_UNSPEC);
		put_options(options, row->want, 5, C_RX + 5);
		p.seq = C_FROM;
		p.ack = C_ACKED;
		check_same(got, len, &p, 0);
		CHECK(!row->stamped || get(C_SLOT).leg.stamped & LEG_STAMP_OWN);
		CHECK((int32_t)(get(C_SLOT).leg.stamp - row->want) >= 0);
	}
}

/* 9 is what put_options has echoed. */
TEST(what_went_past_the_socket_is_acknowledged_without_a_time_from_before)
{
	static const struct {
		const char *name;
		uint32_t ack, ack_as_sent, stale, echo;
		enum leg_body body;
	} rows[] = {
		{ "of what the client has got", E_FROM, E_PROGRESS, 0, 0, LEG_IN },
		{ "of what the socket has got", E_PROGRESS, E_PROGRESS, 0, 9, LEG_IN },
		{ "the same, from before a body", E_PROGRESS, E_PROGRESS, 9, 0, LEG_IN },
		{ "behind a body, of which it has heard nothing", E_TO, E_TO, 9, 0, LEG_NONE },
		{ "behind a body, of later", E_TO, E_TO, 8, 9, LEG_NONE },
	};

	NEED_PROGRAM;
	at = &families[0];
	FOR_ROWS (row, rows) {
		uint8_t options[24], got[PACKET_BYTES_MAX];
		struct packet p = TCP4(.seq = E_SEQ(E_SENT), .ack = E_ACK(row->ack),
				       .tcp_options = options, .tcp_options_len = 12);
		struct splice c, e;
		size_t len;

		begin_client(&c, 0);
		begin_endpoint(&e, 0);
		e.leg.stale = row->stale;
		e.leg.body = row->body;
		put(&c, C_SLOT);
		put(&e, E_SLOT);
		address(&p, true);
		put_options(options, 0x100, 0, 0);
		CHECK_INT(run(&p, got, &len), TC_ACT_UNSPEC);
		memcpy(options + 8, &(uint32_t){ htonl(row->echo) }, 4);
		p.seq = E_SENT;
		p.ack = row->ack_as_sent;
		check_same(got, len, &p, 0);
	}
}
