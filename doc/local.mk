# SPDX-License-Identifier: MIT

# The command, the ideas, and a page or a link to one for each function.
# tests/test_manpages.sh compares them with include/shmq.h.
dist_man_MANS += \
	doc/man/shmq-bench.1 \
	doc/man/shmq-doctor.1 \
	doc/man/shmq.1 \
	doc/man/shmq_check.3 \
	doc/man/shmq_close.3 \
	doc/man/shmq_commit.3 \
	doc/man/shmq_consumer_cancel.3 \
	doc/man/shmq_consumer_close.3 \
	doc/man/shmq_consumer_fd.3 \
	doc/man/shmq_consumer_lost.3 \
	doc/man/shmq_consumer_open.3 \
	doc/man/shmq_discard.3 \
	doc/man/shmq_errdetail.3 \
	doc/man/shmq_fd.3 \
	doc/man/shmq_getattr.3 \
	doc/man/shmq_group_add.3 \
	doc/man/shmq_group_entries.3 \
	doc/man/shmq_group_remove.3 \
	doc/man/shmq_max_message.3 \
	doc/man/shmq_member_entries.3 \
	doc/man/shmq_open.3 \
	doc/man/shmq_open_anonymous.3 \
	doc/man/shmq_open_fd.3 \
	doc/man/shmq_producer_cancel.3 \
	doc/man/shmq_producer_close.3 \
	doc/man/shmq_producer_fd.3 \
	doc/man/shmq_producer_open.3 \
	doc/man/shmq_receive.3 \
	doc/man/shmq_recover.3 \
	doc/man/shmq_recv.3 \
	doc/man/shmq_release.3 \
	doc/man/shmq_reserve.3 \
	doc/man/shmq_resize.3 \
	doc/man/shmq_runtime_dir.3 \
	doc/man/shmq_send.3 \
	doc/man/shmq_send_batch.3 \
	doc/man/shmq_sendv.3 \
	doc/man/shmq_setattr.3 \
	doc/man/shmq_stat.3 \
	doc/man/shmq_stat_group.3 \
	doc/man/shmq_stat_member.3 \
	doc/man/shmq_strerror.3 \
	doc/man/shmq_journal_index.3 \
	doc/man/shmq_journal_compact.3 \
	doc/man/shmq_journal_info.3 \
	doc/man/shmq_journal_verify.3 \
	doc/man/shmq_seek.3 \
	doc/man/shmq_sync.3 \
	doc/man/shmq_tap_skip.3 \
	doc/man/shmq_unlink.3 \
	doc/man/shmq_until.3 \
	doc/man/shmq_version.3 \
	doc/man/shmq_wait.3 \
	doc/man/libshmq.7

EXTRA_DIST += \
	README.md \
	doc/BENCH.md \
	doc/PERFORMANCE.md \
	doc/DESIGN.md \
	doc/LAYOUT.md \
	doc/MAPPING.md \
	doc/plots/growth.svg \
	doc/plots/journal.svg \
	doc/plots/latency.svg \
	doc/plots/throughput.svg \
	doc/ORDERING.md \
	doc/TESTING.md
