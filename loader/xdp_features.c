#include "loader/xdp_features.h"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <time.h>

enum {
	MESSAGE_BYTES = 8192,
	/* of linux/netdev.h, which older headers lack */
	COMMAND_DEV_GET = 1,
	ATTR_IFINDEX = 1,
	ATTR_XDP_FEATURES = 3,
};

static struct nlmsghdr *begin(char *bytes, uint16_t type, uint8_t command)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(bytes);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(msg, sizeof(*genl));

	msg->nlmsg_type = type;
	msg->nlmsg_flags = NLM_F_REQUEST;
	msg->nlmsg_seq = (uint32_t)time(NULL);
	genl->cmd = command;
	genl->version = 1;
	return msg;
}

/* The attribute of the answer, or NULL where it is an error or has none. */
static const struct nlattr *ask(struct mnl_socket *socket, char *bytes, struct nlmsghdr *msg,
				uint16_t attribute)
{
	const struct nlmsghdr *got = (const struct nlmsghdr *)(const void *)bytes;
	const struct nlattr *attr, *found = NULL;
	ssize_t n;

	if (mnl_socket_sendto(socket, msg, msg->nlmsg_len) < 0)
		return NULL;
	n = mnl_socket_recvfrom(socket, bytes, MESSAGE_BYTES);
	if (n < 0 || !mnl_nlmsg_ok(got, (int)n) || got->nlmsg_type == NLMSG_ERROR)
		return NULL;
	mnl_attr_for_each(attr, got, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == attribute)
			found = attr;
	}
	return found;
}

static bool read_features(struct mnl_socket *socket, uint32_t ifindex, uint64_t *out_features)
{
	char bytes[MESSAGE_BYTES] = { 0 };
	struct nlmsghdr *msg = begin(bytes, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	const struct nlattr *got;
	uint16_t family;

	mnl_attr_put_strz(msg, CTRL_ATTR_FAMILY_NAME, "netdev");
	got = ask(socket, bytes, msg, CTRL_ATTR_FAMILY_ID);
	if (!got)
		return false;
	family = mnl_attr_get_u16(got);
	msg = begin(bytes, family, COMMAND_DEV_GET);
	mnl_attr_put_u32(msg, ATTR_IFINDEX, ifindex);
	got = ask(socket, bytes, msg, ATTR_XDP_FEATURES);
	if (!got || mnl_attr_get_payload_len(got) != sizeof(*out_features))
		return false;
	*out_features = mnl_attr_get_u64(got);
	return true;
}

bool xdp_features(uint32_t ifindex, uint64_t *out_features)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	bool known = false;

	if (!socket)
		return false;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0)
		known = read_features(socket, ifindex, out_features);
	mnl_socket_close(socket);
	return known;
}
