"""The words of the preview model: tokens in the order of their rows, each with what means it.

The order is part of the weights: tokens are only ever added at the end. Words joined by an
underscore are phrases. A word belongs to one token.
"""

from __future__ import annotations

SYNONYMS: dict[str, str] = {
    "clouds": "cloud clouds cumulus cloudscape cloudscapes cumulonimbus cloudlet cloudlets "
    "thunderhead thunderheads cotton_clouds above_the_clouds",
    "sunset": "sunset sundown afterglow sunsets setting_sun golden_hour last_light alpenglow",
    "sunrise": "sunrise dawn daybreak sunrises rising_sun first_light sunup",
    "aurora": "aurora auroras borealis australis northern_lights southern_lights polar_lights "
    "northern_light polar_light aurorae aurora_borealis aurora_australis",
    "stars": "star stars starry starlight starlit constellation constellations starfield "
    "night_sky stellar starscape astral shooting_stars shooting_star meteors meteor",
    "milkyway": "milkyway milky_way galaxy galaxies galactic the_milky_way galactic_core",
    "sea": "sea ocean water waters lake oceans seas lakes bay seascape lagoon coast coastal "
    "beach beaches shore shores seaside marine pacific atlantic mediterranean caribbean fjord "
    "gulf oceanic nautical offshore pond surf seawater waterscape maritime lakeside seashore",
    "snow": "snow snowy ice icy frozen arctic winter glacier tundra frost antarctic snowfield "
    "snowscape wintry snowbound snowcovered snow_covered glacial iceberg icebergs antarctica "
    "polar greenland siberian snowdrift snowdrifts powder winter_wonderland frosted",
    "snowfall": "snowfall snowing snowflake snowflakes blizzard flurries falling_snow "
    "snowstorm flurry heavy_snow heavy_snowfall snow_falling snow_storm flakes "
    "snowfalls driving_snow",
    "desert": "desert dune dunes sahara deserts gobi namib arid arabian mojave",
    "storm": "storm thunderstorm tempest stormy storms thunder hurricane typhoon cyclone "
    "thunderstorms gale squall supercell monsoon thundercloud thunderclouds stormcloud "
    "stormclouds thundering storm_clouds tempestuous",
    "lightning": "lightning bolt bolts lightnings thunderbolt thunderbolts flash flashes "
    "lightning_strike lightning_strikes electric electrical forked",
    "rain": "rain rainy raining shower showers downpour drizzle raindrops rainfall raindrop "
    "rains drizzling cloudburst pouring rainstorm puddle puddles wet heavy_rain heavy_rainfall",
    "overcast": "overcast gloomy dull drab leaden grey_sky gray_sky dreary sunless",
    "nebula": "nebula nebulae nebulas gas orion supernova gas_clouds stardust cosmic_dust "
    "interstellar_clouds space_clouds",
    "space": "space cosmos cosmic universe outer_space interstellar deep_space astronomy "
    "intergalactic spacescape celestial extraterrestrial",
    "fire": "fire flame flames burning blaze inferno bonfire fires fiery campfire wildfire "
    "aflame flaming ablaze hellfire firestorm hell infernal pyre conflagration firelight "
    "on_fire hellish",
    "embers": "ember embers sparks glowing_coals spark coals coal cinders cinder smouldering "
    "smoldering ash ashes smoke smoky",
    "lava": "lava magma volcano volcanic molten volcanoes eruption erupting lava_flow "
    "lava_flows volcanos crater molten_rock lava_field",
    "mist": "mist fog misty foggy haze hazy mists sea_of_clouds fogs vapour vapor steam steamy "
    "cloud_inversion shrouded brume fogbound ocean_of_clouds smoggy clouded_valley",
    "mountains": "mountain mountains peak peaks summit alps alpine mountainous summits ridge "
    "ridges cliffs cliff himalaya himalayas andes rockies everest matterhorn range crags "
    "mountaintop mountaintops mountain_range highland highlands",
    "hills": "hill hills hilly rolling_hills hillside hillsides slopes slope knoll",
    "forest": "forest tree trees woods woodland forests wood jungle rainforest clearing glade "
    "grove thicket birch birches oak oaks beech maple maples treetops canopy trunks wooded "
    "leafy orchard woodlands leaves",
    "meadow": "meadow meadows grass grassy grassland prairie lawn pasture steppe grasses "
    "grasslands savanna savannah pastures heath moor moorland paddock tall_grass grass_field",
    "underwater": "underwater under_water undersea submerged reef below_the_sea caustics "
    "under_the_sea beneath_the_sea submarine coral corals reefs aquatic aquarium bubbles "
    "scuba subaquatic beneath_the_waves below_the_surface under_the_ocean beneath_the_water "
    "diving dive subsea under_the_waves below_the_waves beneath_the_surface",
    "sand": "sand sandy seabed sandbank sands sandbanks ocean_floor sea_floor seafloor",
    "deep": "deep depth depths abyss abyssal bottomless fathomless",
    "moon": "moon moonlight moonlit full_moon moonrise lunar crescent moonshine",
    "sky": "sky skies heaven heavens firmament atmosphere skyscape air heavenly",
    "day": "day daytime daylight noon midday afternoon high_noon midmorning days",
    "night": "night nighttime nocturnal midnight nights nightly late_night nightfall",
    "evening": "evening dusk twilight evenings eventide gloaming blue_hour late_afternoon",
    "morning": "morning mornings early_morning morningtime forenoon",
    "clear": "clear cloudless clean spotless unclouded no_clouds without_clouds pristine "
    "crystal_clear crisp cloud_free transparent",
    "fair": "fair scattered fluffy puffy cottony fair_weather few sparse billowy partly_cloudy "
    "broken_clouds partially_cloudy",
    "cloudy": "cloudy heavy dense thick billowing towering heavily clouded",
    "blue": "blue azure cobalt navy sapphire ultramarine indigo bluish cerulean blues",
    "turquoise": "turquoise cyan teal aqua aquamarine tropical tropic tropics",
    "green": "green emerald greenish jade verdant lush lime olive mint viridian greens",
    "purple": "purple violet lilac magenta lavender mauve plum amethyst purplish purples",
    "pink": "pink rose rosy salmon fuchsia coral_pink pinkish blush pinks candy peach",
    "red": "red crimson scarlet ruby vermilion blood_red maroon reddish carmine rust reds "
    "blood bloody mars martian burgundy",
    "orange": "orange amber tangerine apricot copper bronze oranges ochre terracotta",
    "gold": "gold golden yellow honey yellowish gilded saffron mustard brass lemon",
    "white": "white whitish snow_white ivory milky pure_white",
    "grey": "grey gray silver ashen greyish grayish slate steel silvery monochrome colourless "
    "colorless pewter",
    "pale": "pale pastel beige cream creamy light_coloured muted desaturated faded tan sepia",
    "dark": "dark black darkness pitch_black dim_light shadowy murky darkened inky dusky "
    "gothic unlit blackness sombre somber shadow shadows",
    "bright": "bright brilliant vivid luminous shining radiant glowing sparkling dazzling "
    "glittering vibrant saturated shiny gleaming shimmering colourful colorful lively "
    "brightly glow glowy glistening bioluminescent neon iridescent incandescent cheerful "
    "sparkle glitter twinkling twinkle",
    "faint": "faint dim weak subtle soft thin delicate light_touch mild slight gentle_light "
    "softly faintly diffuse diffused",
    "strong": "strong intense powerful huge mighty blazing massive enormous gigantic giant "
    "violent fierce heavy_duty extreme strongly roaring",
    "warm": "warm warmly cosy cozy balmy warmth summer summery",
    "hot": "hot heat scorching sweltering burning_hot searing heat_haze sizzling torrid",
    "cold": "cold freezing chilly cool frigid bitter frosty icy_cold chill subzero",
    "calm": "calm gentle peaceful quiet still serene tranquil smooth placid mirror flat "
    "relaxing meditative soothing calming windless motionless glassy untroubled zen no_wind "
    "no_waves without_wind without_waves serenity tranquillity tranquility restful mirrored "
    "stillness hushed silent",
    "slow": "slow slowly lazy drifting languid unhurried leisurely floating drift gliding",
    "fast": "fast quick rushing racing quickly rapid speeding swift hurtling timelapse "
    "time_lapse swiftly rapidly swirling speedy dynamic whirling",
    "windy": "windy wind breeze breezy gusts gust windswept blowing gusty winds blustery "
    "swaying rustling billow",
    "waves": "wave waves swell wavy ripples ripple rippling swells lapping undulating tide "
    "tides current rolling_waves",
    "rough": "rough wild choppy raging stormtossed turbulent heaving crashing foamy foam "
    "whitecaps frothy churning breakers savage tumultuous seething storm_tossed",
    "dramatic": "dramatic epic moody ominous threatening brooding menacing apocalyptic "
    "foreboding majestic awe sublime awesome spectacular angry dystopian doom sinister "
    "imposing grand dramatically terrifying scary",
    "mysterious": "mysterious dreamy magical mystic ethereal surreal mystical enchanted "
    "dreamlike fantasy otherworldly eerie haunting spooky alien magic fantastical enigmatic "
    "spiritual enchanting whimsical psychedelic",
    "up": "up overhead zenith upward upwards looking_up sky_above up_above straight_up "
    "above_us facing_up high_above the_sky_above look_up heavenward skyward",
    "horizon": "horizon ahead straight_ahead distance at_eye_level eye_level skyline far_away "
    "on_the_horizon in_the_distance horizons looking_ahead distant faraway eyelevel afar",
    "down": "down below downward downwards underfoot ground looking_down nadir floor "
    "ground_below straight_down facing_down beneath_us look_down beneath soil bottom",
    "sun": "sun sunny sunshine sunlight sunlit sunbeam sunbeams sun_rays solar god_rays "
    "sun_beams rays ray light_rays sunrays light_shafts crepuscular_rays sunlights halo",
    "wisps": "wisps cirrus streaks wispy feathery wisp streaky high_clouds thin_clouds veil "
    "stratus mares_tails feathered streaked",
    "fields": "fields farmland countryside plain plains valley patchwork field valleys rural "
    "farm farms crops wheat pastoral hedgerows flatland flatlands cornfield vineyards "
    "wheatfield aerial birds_eye_view cropland",
    "flowers": "flower flowers blossoms wildflowers poppies blooming daisies wildflower "
    "bloom blooms flowering poppy daisy blossom tulips spring springtime floral dandelions "
    "buttercups flowery petals petal cherry_blossom cherry_blossoms",
    "autumn": "autumn fall autumnal foliage october november fall_colours fall_colors",
    "dust": "dust dusty sandstorm windblown dust_storm sandstorms sand_storm blowing_sand "
    "dust_devil grit",
    "pines": "pine pines conifer fir firs spruce taiga evergreen conifers evergreens boreal "
    "larch cedar cedars redwood redwoods spruces pinewood pine_forest fir_trees",
}

_STOP = """
a an and the of over above in on at with by to from into under through across around behind before
after near is are it its this that there some very many all as onto between while where view scene
picture video image photo panorama world landscape look looking seen see like full big large small
long wide open beautiful nice lovely great time my our your his her be light lights 360 degree
degrees loop looping seamless cinematic realistic
i we you me us they he she them or but so if then than too also just only more most much less least
for up_to out off down_to upon within along against toward towards beside among amid amidst during
until till per via about inside outside far away here every each any other another both either
have has had having was were been being do does did done can could will would should may might
must shall make makes made making show shows showing shown give gives create render rendered
background backdrop environment hdri hdr skybox skydome dome equirectangular spherical panoramic
sphere vr animation animated animate clip footage film movie shot camera frame frames seconds
second fps 4k 8k 2k 16k hd uhd high quality resolution detailed detail details ultra highly sharp
photorealistic photoreal photographic photograph photography realism render octane unreal blender
style art artwork painting painted illustration wallpaper stock landscape landscapes scenery
vista view views setting ambience ambient atmospheric mood feeling nature natural outdoor outdoors
stunning gorgeous amazing breathtaking pretty perfect wonderful magnificent fantastic incredible
really quite rather little bit tiny lot lots several various endless infinite vast expansive
immense tall low short broad narrow coming going moving motion move moves seamlessly continuous
lighting lit day_for_night colours colors colour color coloured colored tones tone hue hues shade
shades part side sides top middle center centre edge everywhere somewhere nothing something
empty alone one two three four five six ten hundred thousand first last next new old whole entire
covered filled surrounded full_of made_of consisting featuring containing including type kind
breaking flying rising dancing falling flowing streaming rolling stretching reflected reflecting
reflection reflections thousands millions studio passing hanging standing lying rise rises
please want need put add get let us go set place
"""
STOP_WORDS = frozenset(_STOP.split())
NEGATIONS = frozenset(("no", "not", "without", "non", "never", "minus", "except", "sans"))

# what a picture can be of; a prompt with none of them has no subject that is known
_SUBJECTS = """
clouds sunset sunrise aurora stars milkyway sea snow snowfall desert storm lightning rain overcast
nebula space fire embers lava mist mountains hills forest meadow underwater sand moon sky day night
evening morning sun wisps fields flowers autumn dust pines
"""
SUBJECTS = frozenset(_SUBJECTS.split())

# what says itself what lies below the horizon, and what stands on land without saying which
_GROUNDS = """
sea snow snowfall desert meadow fields sand lava mist underwater fire embers nebula space
"""
GROUNDS = frozenset(_GROUNDS.split())
ON_LAND = frozenset(("hills", "forest", "pines"))
