// SPDX-License-Identifier: GPL-2.0
/* Binary statistics: header and descriptors are read once, values when asked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stats.h"

static int read_all(int fd, void *buf, size_t bytes, uint64_t offset)
{
	ssize_t got = pread(fd, buf, bytes, offset);

	if (got < 0)
		return -errno;
	return (size_t)got == bytes ? 0 : -EIO;
}

static size_t desc_bytes(const struct stats *stats)
{
	return sizeof(struct kvm_stats_desc) + stats->header.name_size;
}

static const struct kvm_stats_desc *desc(const struct stats *stats, unsigned int i)
{
	return (const void *)(stats->descs + i * desc_bytes(stats));
}

int stats_open(struct stats *stats, int fd)
{
	size_t bytes;
	int ret;

	memset(stats, 0, sizeof(*stats));
	stats->fd = kvm_ioctl(fd, KVM_GET_STATS_FD, NULL);
	if (stats->fd < 0)
		return stats->fd;
	ret = read_all(stats->fd, &stats->header, sizeof(stats->header), 0);
	if (!ret) {
		bytes = stats->header.num_desc * desc_bytes(stats);
		stats->descs = malloc(bytes);
		ret = stats->descs ?
			      read_all(stats->fd, stats->descs, bytes, stats->header.desc_offset) :
			      -ENOMEM;
	}
	if (ret)
		stats_close(stats);
	return ret;
}

void stats_close(struct stats *stats)
{
	if (stats->fd >= 0)
		close(stats->fd);
	free(stats->descs);
	stats->descs = NULL;
	stats->fd = -1;
}

const char *stats_name(const struct stats *stats, unsigned int i)
{
	return stats->fd >= 0 && i < stats->header.num_desc ? desc(stats, i)->name : NULL;
}

int stats_read(struct stats *stats, const char *name, uint64_t *value)
{
	unsigned int i;

	for (i = 0; stats_name(stats, i); i++)
		if (!strcmp(stats_name(stats, i), name))
			return read_all(stats->fd, value, sizeof(*value),
					stats->header.data_offset + desc(stats, i)->offset);
	return -ENOENT;
}
