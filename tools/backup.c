// SPDX-License-Identifier: GPL-2.0
/* An incremental backup beside a migration: see backup.h. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "backup.h"
#include "lib/page.h"
#include "lib/tracker.h"
#include "say.h"

static void copy_page(struct backup *backup, const struct demo *demo, uint64_t page)
{
	page_copy(backup->copy + page * PAGE_SIZE, (char *)demo->mem.host + page * PAGE_SIZE);
}

int backup_begin(struct backup *backup, struct demo *demo)
{
	uint32_t flags = 0;
	uint64_t page;
	int fd;

	if (!vellum_extension(demo->vm.fd, VELLUM_EXT_TRACKERS))
		return say("%s has no trackers: do without --backup", kvm_device());
	fd = tracker_open(&demo->vm, 0, &flags);
	if (fd < 0)
		return say_errno(fd, "a tracker cannot be opened: see dmesg");
	backup->fd = fd;
	backup->copy = mem_alloc(demo->mem.size);
	backup->dirty = calloc(mem_bitmap_bytes(&demo->mem), 1);
	if (!backup->copy || !backup->dirty)
		return say("there is no memory for a backup: give a smaller --mem");
	/* What is written meanwhile, the tracker tells in the next round. */
	for (page = 0; page < demo_pages(demo); page++)
		copy_page(backup, demo, page);
	return 0;
}

int backup_round(struct backup *backup, struct demo *demo)
{
	int64_t taken, done;
	uint64_t page;

	taken = tracker_take(backup->fd, &demo->mem, backup->dirty, 0);
	if (taken < 0)
		return say_errno(taken, "the tracker cannot be asked: see dmesg");
	for (page = 0; page < demo_pages(demo); page++)
		if (bitmap_test(backup->dirty, page))
			copy_page(backup, demo, page);
	/* Only now: had this process ended before, they would be news again. */
	done = tracker_commit(backup->fd, &demo->mem, NULL);
	if (done < 0)
		return say_errno(done, "what was copied cannot be committed: see dmesg");
	if (done != taken)
		return say("%lld pages were taken and %lld committed: that is a bug, see dmesg",
			   (long long)taken, (long long)done);
	backup->pages += taken;
	backup->rounds++;
	return 0;
}

int backup_verdict(const struct backup *backup, const struct demo *demo)
{
	uint64_t page, different = 0;

	for (page = 0; page < demo_pages(demo); page++)
		different += !page_same(backup->copy + page * PAGE_SIZE,
					(char *)demo->mem.host + page * PAGE_SIZE);
	printf("The backup, by a tracker of its own: all pages once, then %llu in %u rounds; %s.\n",
	       (unsigned long long)backup->pages, backup->rounds,
	       different ? "NOT identical" : "identical");
	return different ? -1 : 0;
}

void backup_end(struct backup *backup, struct demo *demo)
{
	if (backup->fd > 0)
		close(backup->fd);
	mem_free(backup->copy, demo->mem.size);
	free(backup->dirty);
	*backup = (struct backup){};
}
