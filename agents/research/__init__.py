"""Reports on companies: each section made of stored facts alone, every line citing what it rests on."""
