#!/bin/sh
# Makes the media files of this folder anew, with the ffmpeg that is installed. Exit code 0, or that of ffmpeg.
set -eu
cd "$(dirname "$0")"
FLAGS='-v error -y -flags +bitexact -fflags +bitexact'
CMAF='-movflags +cmaf+frag_every_frame+frag_discont+skip_trailer -use_editlist 0 -write_tmcd 0 -write_btrt 0'

# H.264 High with B-frames at 30 fps, GOP 15, and AAC-LC 48 kHz stereo; one second.
ffmpeg $FLAGS -f lavfi -i testsrc2=s=64x48:r=30:d=1 -f lavfi -i sine=r=48000:d=1 \
  -c:v libx264 -preset veryfast -bf 2 -g 15 -crf 45 -c:a aac -ac 2 -b:a 24k b-frames.flv

# The same tracks as CMAF with one sample in each fragment, decode times since 1970.
ffmpeg $FLAGS -itsoffset 1700000000 -i b-frames.flv -copyts -map 0:v -c copy $CMAF -avoid_negative_ts disabled \
  -video_track_timescale 90000 -f mp4 video.mp4
ffmpeg $FLAGS -itsoffset 1700000000 -i b-frames.flv -copyts -map 0:a -c copy $CMAF -avoid_negative_ts disabled \
  -f mp4 audio.mp4
